//! The commands as somebody types them.

use std::path::Path;

use clap::{Command, FromArgMatches, Subcommand};
use fsx_wire::answer::RouteAnswer;

use super::*;
use crate::cmd::db::DbCommand;
use crate::cmd::demo::DemoCommand;
use crate::db::testing::{self, SAMPLE, open, sqlite_url};
use crate::db::{self, DbUrl};

fn typed<C: Subcommand + FromArgMatches>(words: &[&str]) -> Result<C, clap::Error> {
    let tree = C::augment_subcommands(Command::new("fsxinetd"));
    C::from_arg_matches(&tree.try_get_matches_from([&["fsxinetd"], words].concat())?)
}

fn lcr(words: &[&str]) -> LcrCommand {
    typed(words).unwrap_or_else(|e| panic!("{e}"))
}

pub(super) async fn sample(dir: &Path) -> DbUrl {
    let url = sqlite_url(dir);
    let mut conn = open(&url, db::Access::Create).await;
    db::migrate(&mut conn).await.expect("migrates");
    testing::run(&mut conn, SAMPLE).await;
    conn.close().await;
    url
}

async fn asked(words: &[&str]) -> RouteAnswer {
    let LcrCommand::Route(args) = lcr(&[&["route", "--json"], words].concat()) else {
        panic!("route is route")
    };
    let opened = match open_source(&args.source, args_at(words)).await {
        Ok(opened) => opened,
        Err(failure) => panic!("{failure:?}"),
    };
    let json = one(&opened, &args).expect("answers");
    serde_json::from_str(&json).expect("JSON")
}

/// What `route` takes from `--at`.
fn args_at(words: &[&str]) -> Option<i64> {
    let at = words.iter().position(|w| *w == "--at")?;
    instant(words[at + 1]).ok()
}

#[test]
fn the_commands_are_well_formed() {
    for tree in [
        LcrCommand::augment_subcommands(Command::new("lcr")),
        DbCommand::augment_subcommands(Command::new("db")),
        DemoCommand::augment_subcommands(Command::new("demo")),
    ] {
        tree.debug_assert();
    }
    for words in [
        &["route", "--org", "1"][..],
        &["route", "1", "--org", "-1"],
        &["route", "1", "--at", "soon"],
        &["route", "1", "--country", "GBR"],
        &["route", "1", "--snapshot", "a", "--db", "sqlite:b"],
        &["route"],
        &["route", "1", "--batch", "-"],
        &["build", "--db", "sqlite:x"],
        &["build", "--db", "sqlite:x", "--out", "y", "--max-loss-percent", "101"],
        &["verify"],
    ] {
        let error = typed::<LcrCommand>(words).expect_err(&words.join(" "));
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}

#[tokio::test]
async fn one_question_has_the_contracts_answer() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sample(dir.path()).await.to_string();
    let at = "2026-01-20T20:00:00Z";
    let words = ["07700900123", "--db", &url, "--at", at, "--dc", "NYC1", "--cli", "02079460000"];
    let answer = asked(&words).await;
    assert_eq!((answer.decision.as_str(), answer.number.as_str()), ("route", "447700900123"));
    assert_eq!((answer.at.as_str(), answer.data_centre.as_str()), (at, "NYC1"));
    let route = &answer.routes[0];
    assert_eq!((route.carrier_id, route.gateway_id, route.rate_id), (101, 3001, 20001));
    assert_eq!((route.rate.as_str(), route.setup.as_str()), ("0.0125", "0.005"));
    assert_eq!((route.cost_per_min.as_str(), route.currency.as_str()), ("0.0175", "GBP"));
    assert_eq!((route.prefix.as_str(), route.cli.as_str()), ("447700", "442079460000"));
    assert_eq!(route.dial_string, "sofia/gateway/gw3001/447700900123");
    assert!(answer.excluded.is_empty(), "nobody asked why");

    // The health that the table has: 3001 is down in LON1.
    let words = ["07700900123", "--db", &url, "--at", at, "--dc", "LON1", "--why"];
    let answer = asked(&words).await;
    assert!(answer.routes.iter().all(|r| r.gateway_id != 3001), "{answer:?}");
    let left_out = |id| answer.excluded.iter().any(|e| e.gateway_id == Some(id));
    assert!(left_out(3001), "{answer:?}");

    // The spend that the table has: 42 is at its limit, and may call for help all the same.
    let answer = asked(&["2025550123", "--org", "42", "--db", &url, "--at", at]).await;
    assert_eq!((answer.cause, answer.reason.as_deref()), (Some(21), Some("spend limit reached")));
    // What a dialling rule forbids names the rule.
    let mut conn = open(&url.parse().expect("an address"), db::Access::ReadWrite).await;
    let rule =
        "INSERT INTO DiallingRules (ID, OrgID, Pattern, Action) VALUES (77, 0, '^4490', 'BLOCK')";
    testing::run(&mut conn, rule).await;
    let orgs = "INSERT INTO Orgs (OrgID, CallCostLimit) VALUES (55, 0), (56, 1)";
    testing::run(&mut conn, orgs).await;
    conn.close().await;
    // A limit of nothing, though nothing is known to be spent.
    for (org, cause) in [("55", Some(21)), ("56", None)] {
        let answer = asked(&["07700900123", "--org", org, "--db", &url, "--at", at]).await;
        assert_eq!(answer.cause, cause, "{answer:?}");
    }
    let answer = asked(&["0905550123", "--db", &url, "--at", at, "--country", "gb"]).await;
    let said = (answer.cause, answer.reason.as_deref());
    assert_eq!(said, (Some(21), Some("blocked by dialling rule 77")));
    let answer = asked(&["999", "--org", "42", "--country", "gb", "--db", &url, "--at", at]).await;
    assert!(answer.emergency && answer.routes.len() == 2, "{answer:?}");
}

#[tokio::test]
async fn names_that_the_data_does_not_know_are_told() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sample(dir.path()).await.to_string();
    let told = async |words: &[&str]| {
        let words = [&["route", "07700900123", "--db", &url], words].concat();
        let LcrCommand::Route(args) = lcr(&words) else { panic!("route is route") };
        let Ok(opened) = open_source(&args.source, None).await else { panic!("opens") };
        route::unknown(&opened.data, &args).join("\n")
    };
    assert_eq!(told(&["--dc", "LON1", "--country", "gb"]).await, "");
    assert_eq!(told(&[]).await, "");
    let said = told(&["--dc", "LON9", "--country", "ZZ"]).await;
    assert!(said.contains("no gateway is in data centre LON9; there are LON1, NYC1"), "{said}");
    assert!(said.contains("no dialling rules for country ZZ"), "{said}");
    assert!(said.contains(", GB, ") && !said.contains("UK"), "{said}");
    assert_eq!(told(&["--lrn", "12025550123"]).await, "");
    assert!(told(&["--lrn", "nobody"]).await.contains("\"nobody\" has no digits"));
}

#[tokio::test]
async fn a_snapshot_is_built_verified_and_asked() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sample(dir.path()).await.to_string();
    let out = dir.path().join("routes");
    let file = out.to_str().expect("a path");
    let at = "2026-01-20T20:00:00Z";
    let build = ["build", "--db", &url, "--out", file, "--at", at];
    for expected in 1..=2 {
        assert_eq!(run(lcr(&build)).await, ExitCode::SUCCESS);
        let snapshot = feed::load(&out).expect("good").expect("there");
        assert_eq!(fsx_core::data::RoutingData::generation(&snapshot), expected);
    }
    assert_eq!(run(lcr(&["verify", file])).await, ExitCode::SUCCESS);
    assert_eq!(run(lcr(&["verify", file, "--json"])).await, ExitCode::SUCCESS);
    let from_file = asked(&["07700900123", "--snapshot", file, "--at", at]).await;
    let from_db = asked(&["07700900123", "--db", &url, "--at", at]).await;
    assert_eq!(from_file.routes, from_db.routes);

    // A refused build leaves the good file.
    let good = std::fs::read(&out).expect("reads");
    let mut conn = open(&url.parse().expect("url"), db::Access::ReadWrite).await;
    testing::run(&mut conn, "UPDATE LCRRates SET Rate = 'free'").await;
    conn.close().await;
    assert_eq!(run(lcr(&build)).await, ExitCode::FAILURE);
    assert_eq!(std::fs::read(&out).expect("reads"), good);

    // Cut or flipped anywhere it is refused, with exit code 1.
    for (cut, flip) in [(good.len() / 2, None), (40, None), (good.len(), Some(good.len() - 9))] {
        let mut bytes = good[..cut].to_vec();
        if let Some(at) = flip {
            bytes[at] ^= 0x10;
        }
        std::fs::write(&out, bytes).expect("writes");
        assert_eq!(run(lcr(&["verify", file])).await, ExitCode::FAILURE);
        assert_eq!(run(lcr(&["route", "1", "--snapshot", file])).await, ExitCode::FAILURE);
    }
}

#[tokio::test]
async fn what_is_not_there_is_the_askers_mistake() {
    let dir = tempfile::tempdir().expect("dir");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (none, no_db) = (path("none"), format!("sqlite:{}", path("none.sqlite")));
    let out = path("out");
    for words in [
        &["verify", &none][..],
        &["route", "1", "--snapshot", &none],
        &["route", "1", "--db", &no_db],
        &["route", "1", "--db", "lcr.sqlite"],
        &["route", "1", "--db", &no_db, "--base-currency", "POUND"],
        &["build", "--db", &no_db, "--out", &out],
        &["build", "--db", "oracle://x/y", "--out", &out],
        &["route", "--json", "--batch", &none, "--db", &no_db],
    ] {
        assert_eq!(run(lcr(words)).await, ExitCode::from(2), "{words:?}");
    }
    let command = typed::<DbCommand>(&["migrate", "--db", &no_db]).expect("well typed");
    assert_eq!(crate::cmd::db::run(command).await, ExitCode::from(2));
    let command = typed::<DbCommand>(&["init", "--db", &no_db]).expect("well typed");
    assert_eq!(crate::cmd::db::run(command).await, ExitCode::SUCCESS);
    let command = typed::<DbCommand>(&["check", &no_db]).expect("well typed");
    assert_eq!(crate::cmd::db::run(command).await, ExitCode::SUCCESS);
    // A file that is no database, and a server that is not there, are failures.
    std::fs::write(dir.path().join("text"), "not a database at all, but a text").expect("writes");
    let text = format!("sqlite:{}", path("text"));
    assert_eq!(run(lcr(&["route", "1", "--db", &text])).await, ExitCode::FAILURE);
    let nobody = format!("mysql://root@localhost/lcr?socket={}", path("sock"));
    assert_eq!(run(lcr(&["route", "1", "--db", &nobody])).await, ExitCode::FAILURE);
}

#[tokio::test]
async fn what_changes_between_two_snapshots_is_told_to_the_prefix() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sample(dir.path()).await.to_string();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (a, b) = (path("a.fsx"), path("b.fsx"));
    let at = "2026-01-20T20:00:00Z";
    assert_eq!(
        run(lcr(&["build", "--db", &url, "--out", &a, "--at", at])).await,
        ExitCode::SUCCESS
    );
    let mut conn = open(&url.parse().expect("url"), db::Access::ReadWrite).await;
    testing::run(
        &mut conn,
        "UPDATE LCRRates SET Rate = '0.02' WHERE ID = 20001;\n
         INSERT INTO Bands (ID, BandName, CarrierID) VALUES (600, 'Spain', 101);\n
         INSERT INTO Numbers (Number, BandID) VALUES ('34', 600), ('3491', 600);\n
         INSERT INTO LCRRates (BandID, Rate, Currency) VALUES (600, '0.01', 'GBP');\n
         INSERT INTO Overrides (OrgID, Prefix, CarrierID, Action) VALUES (0, '4477005', 102, 'PREFER');\n",
    )
    .await;
    conn.close().await;
    assert_eq!(
        run(lcr(&["build", "--db", &url, "--out", &b, "--at", at])).await,
        ExitCode::SUCCESS
    );
    let changes = |words: &[&str]| {
        let LcrCommand::Diff(args) =
            lcr(&[&["diff", &a, &b, "--at", at, "--json"], words].concat())
        else {
            panic!("diff is diff")
        };
        let load = |path: &str| diff::load(Path::new(path)).map_err(|e| format!("{e:?}"));
        let mut out = Vec::new();
        let (a, b) = (load(&a).expect("a"), load(&b).expect("b"));
        diff::compare(&args, &a, &b, args_at(&["--at", at]).expect("at"), &mut out)
            .expect("compares");
        let text = String::from_utf8(out).expect("text");
        text.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
            .collect::<Vec<_>>()
    };
    let all = changes(&["--dc", "NYC1"]);
    let told: Vec<String> = all[..all.len() - 1]
        .iter()
        .map(|c| {
            let prefixes = c["prefixes"].as_array().expect("prefixes").iter();
            let prefixes: Vec<_> = prefixes.map(|p| p.as_str().unwrap_or("")).collect();
            format!("{} {}", c["change"].as_str().unwrap_or(""), prefixes.join(" "))
        })
        .collect();
    assert_eq!(
        told,
        [
            "gained 34",
            "price 4477000 4477001 4477002 4477003 4477004",
            "route 4477005",
            "price 4477006 4477007 4477008 4477009",
        ]
    );
    assert_eq!(all[1]["before"]["routes"][0]["cost_per_min"], "0.0175");
    assert_eq!(all[1]["after"]["routes"][0]["cost_per_min"], "0.025");
    assert_eq!(all.last().expect("totals")["prefixes_changed"]["price"], 9);

    // The same file twice, and files that are none.
    let same = ["diff", &a, &a];
    assert_eq!(run(lcr(&same)).await, ExitCode::SUCCESS);
    assert_eq!(run(lcr(&["diff", &a, &path("none")])).await, ExitCode::from(2));
    std::fs::write(path("torn"), "FSXROUTE").expect("writes");
    assert_eq!(run(lcr(&["diff", &path("torn"), &b])).await, ExitCode::FAILURE);
    assert_eq!(run(lcr(&["stats", &path("torn")])).await, ExitCode::FAILURE);
    assert_eq!(run(lcr(&["dump", &path("none")])).await, ExitCode::from(2));

    // What is in it.
    let data = diff::load(Path::new(&b)).expect("b");
    let mut out = Vec::new();
    dump::write_all(&data, true, &mut out).expect("dumps");
    let text = String::from_utf8(out).expect("text");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let has = |is: &str| lines.iter().filter(|line| line["is"] == is).count();
    assert_eq!((has("snapshot"), has("override"), has("private number")), (1, 2, 1));
    let spain = lines.iter().find(|l| l["is"] == "numbers" && l["prefixes"][0] == "340");
    assert!(spain.is_some(), "{text}");
    let counts = dump::counts(&data);
    assert_eq!(counts["bytes"], std::fs::metadata(&b).expect("there").len());
    assert!(counts["lists"].as_u64().is_some_and(|n| n >= 3), "{counts}");
    assert_eq!(run(lcr(&["stats", &b, "--json"])).await, ExitCode::SUCCESS);
    assert_eq!(run(lcr(&["stats", &b])).await, ExitCode::SUCCESS);
    assert_eq!(run(lcr(&["dump", &b])).await, ExitCode::SUCCESS);
}

#[tokio::test]
async fn a_build_notes_what_a_database_does_not_have() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = open(&sample(dir.path()).await, db::Access::ReadWrite).await;
    assert_eq!(build::notes(&mut conn).await, Vec::<String>::new());
    testing::run(&mut conn, "DROP TABLE Periods").await;
    testing::run(&mut conn, "ALTER TABLE LCRRates DROP COLUMN NextIncrement").await;
    let notes = build::notes(&mut conn).await;
    assert_eq!(notes.len(), 2, "{notes:?}");
    for part in ["Periods is missing", "LCRRates has no column NextIncrement"] {
        assert!(notes.iter().any(|note| note.contains(part)), "{part}: {notes:?}");
    }
}
