//! Decks as carriers mail them, into a database and on to routes.

use std::path::Path;
use std::process::ExitCode;

use clap::{Command, FromArgMatches, Subcommand};
use fsx_core::CallFacts;
use fsx_core::data::NoLive;
use fsx_snapshot::Snapshot;
use fsx_wire::answer::RouteAnswer;

use super::deck::{Deck, DeckSettings};
use super::plan::{Kind, PlanSettings, Planned, plan};
use super::state::State;
use super::values::DateOrder;
use super::{apply, state};
use crate::cmd::lcr::{LcrCommand, run};
use crate::db::testing::{self, MariaDb, open, sqlite_url};
use crate::db::{self, Access, Conn, DbUrl};
use crate::feed;

/// 2026-01-20T10:00:00Z.
const NOW: i64 = 1_768_903_200;

fn settings() -> DeckSettings {
    DeckSettings {
        map: Vec::new(),
        no_header: false,
        delimiter: None,
        sheet: None,
        currency: Some("GBP".to_owned()),
        effective: NOW,
        zone: jiff::tz::TimeZone::UTC,
        dates: DateOrder::Ymd,
        decimal_comma: false,
        increments: (1, 1),
        format_number: None,
        format_cli: None,
    }
}

/// A place to import into: a carrier with one gateway.
async fn place(url: &DbUrl) -> Conn {
    let mut conn = open(url, Access::Create).await;
    db::migrate(&mut conn).await.expect("migrates");
    testing::run(
        &mut conn,
        "INSERT INTO Carriers (ID, CarrierName, Type) VALUES (1, 'Alpha', 'route'), (2, 'Beta', 'route');\n
         INSERT INTO CarrierGateway (ID, CarrierID) VALUES (11, 1), (12, 2);\n",
    )
    .await;
    conn
}

fn deck(text: &str, settings: &DeckSettings) -> Deck {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("deck.csv");
    std::fs::write(&path, text).expect("writes");
    Deck::read(&path, settings, &mut |_| {}).expect("a deck")
}

async fn taken(conn: &mut Conn, text: &str, full: bool, now: i64) -> Planned {
    let deck = deck(text, &DeckSettings { effective: now, ..settings() });
    apply::begin(conn).await.expect("begins");
    let before = State::read(conn, 1).await.expect("reads");
    let planned = plan(deck, &before, PlanSettings { full, now, effective: now });
    apply::apply(conn, 1, &planned.work, &mut |_| {}).await.expect("applies");
    apply::end(conn, true).await.expect("commits");
    planned
}

fn totals(planned: &Planned) -> String {
    let mut all: Vec<String> = Kind::ALL
        .iter()
        .filter_map(|k| {
            planned.totals.get(k).filter(|n| **n > 0).map(|n| format!("{} {n}", k.name()))
        })
        .collect();
    all.extend(planned.rejected.iter().map(|r| format!("row {}: {}", r.row, r.reason)));
    all.join("; ")
}

/// Cost and band of the first route, or why there is none.
async fn costs(conn: &mut Conn, number: &str, at: i64) -> String {
    let make = feed::MakeSettings { max_lost_share: 1.0, ..feed::MakeSettings::default() };
    let read = feed::read(conn, &make.reading(at), &mut |_, _| {}).await.expect("reads");
    let built = feed::make(&read, &make, 1, at.min(NOW)).expect("builds");
    assert_eq!(built.report.lost_rows, 0, "{:?}", built.report.lost);
    let data = Snapshot::open(built.bytes).expect("opens");
    let facts = CallFacts::new(number.as_bytes(), 0, at);
    let decision = fsx_core::decide(&data, &NoLive, &facts);
    let answer = RouteAnswer::new(&data, &facts, &decision, Vec::new());
    match answer.routes.first() {
        Some(route) => format!("{} {}", route.cost_per_min, route.prefix),
        None => answer.reason.unwrap_or_default(),
    }
}

const FIRST: &str = "Destination,Dial Codes,Rate (GBP),Effective Date,Status\n\
    UK Mobile,447[4-5];4477,0.02,2026-01-01,new\n\
    UK,44,0.005,2026-01-01,new\n\
    France,33,0.01,2026-01-01,\n";

async fn deck_after_deck(conn: &mut Conn) {
    let planned = taken(conn, FIRST, true, NOW).await;
    assert_eq!(totals(&planned), "created 5");
    assert_eq!(costs(conn, "447400000000", NOW).await, "0.02 4474");

    // The same again is nothing.
    let planned = taken(conn, FIRST, true, NOW).await;
    assert_eq!(totals(&planned), "unchanged 5");
    assert!(planned.work.is_empty());

    // One code of a band goes up next month, and is still charged as before until then.
    let later = "code,price,effective\n4475,0.03,2026-02-01\n";
    let planned = taken(conn, later, false, NOW).await;
    assert_eq!(totals(&planned), "dearer 1");
    let february = NOW + 13 * 86_400;
    assert_eq!(costs(conn, "447500000000", NOW).await, "0.02 4475");
    assert_eq!(costs(conn, "447500000000", february).await, "0.03 4475");
    assert_eq!(costs(conn, "447400000000", february).await, "0.02 4474");
    assert_eq!(costs(conn, "447500000000", NOW - 5 * 86_400).await, "0.02 4475");

    // Full: 33 is missing and ends, 4477 is blocked (not sold at the price of 44), 4474 closed (is).
    let third = "code,rate,status,effective\n44,0.004,decrease,\n4474,,closed,\n4475,0.02,,2026-01-01\n4477,,Blocked,\n";
    let planned = taken(conn, third, true, NOW + 60).await;
    assert_eq!(totals(&planned), "cheaper 1; unchanged 1; ended 3");
    let at = NOW + 120;
    assert_eq!(costs(conn, "33100000000", at).await, "no carrier sells this destination");
    assert_eq!(costs(conn, "447700000000", at).await, "no carrier sells this destination");
    assert_eq!(costs(conn, "447400000000", at).await, "0.004 44");
    assert_eq!(costs(conn, "442000000000", at).await, "0.004 44");

    // What ended comes back at a price of its own, without its past.
    let back = "code,rate\n33,0.5\n4477,0.6\n";
    let planned = taken(conn, back, false, NOW + 180).await;
    assert_eq!(totals(&planned), "created 2");
    assert_eq!(costs(conn, "33100000000", NOW + 200).await, "0.5 33");
    assert_eq!(costs(conn, "447700000000", NOW + 200).await, "0.6 4477");
}

#[tokio::test]
async fn deck_after_deck_in_sqlite() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = place(&sqlite_url(dir.path())).await;
    deck_after_deck(&mut conn).await;
    conn.close().await;
}

#[tokio::test]
async fn deck_after_deck_in_mariadb() {
    let Some(mut server) = MariaDb::start("deck_after_deck_in_mariadb") else { return };
    let mut conn = place(&server.database("lcr").await).await;
    deck_after_deck(&mut conn).await;
    conn.close().await;
}

#[tokio::test]
async fn rates_of_other_kinds_are_left_alone() {
    let dir = tempfile::tempdir().expect("dir");
    let mut conn = place(&sqlite_url(dir.path())).await;
    testing::run(
        &mut conn,
        "INSERT INTO Bands (ID, BandName, CarrierID) VALUES (50, 'UK', 1), (51, 'Europe', 1);\n
         INSERT INTO Numbers (ID, Number, BandID, OrgID) VALUES (1, '44', 50, NULL), (2, '33', 51, 0), (3, '34', 51, 0), (4, '4420', 50, 37);\n
         INSERT INTO LCRRates (ID, BandID, Rate, Currency, Period, ABandID, FormatNumber, InitialIncrement, NextIncrement) VALUES
            (1, 50, '0.01', 'GBP', '', NULL, '00', 60, 60), (2, 50, '0.005', 'GBP', 'Weekend', NULL, '00', 60, 60),
            (3, 50, '0.03', 'GBP', '', 51, '', 1, 1), (4, 51, '0.02', 'GBP', '', NULL, '', 1, 1);\n",
    )
    .await;
    let planned = taken(&mut conn, "code,rate,increment\n44,0.02,60/60\n", false, NOW).await;
    assert_eq!(totals(&planned), "dearer 1");
    // The organisation's own number kept its band and price; ours took rates along, formats too.
    let sql = "SELECT n.Number, r.Rate, r.Period, CAST(r.ABandID AS TEXT), r.FormatNumber FROM Numbers n \
               JOIN LCRRates r ON r.BandID = n.BandID WHERE n.Number LIKE '44%' ORDER BY n.Number, r.ID";
    let rows = conn.rows("look", sql, 5).await.expect("rows");
    let rows: Vec<String> = rows
        .iter()
        .map(|row| row.iter().map(|c| c.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        rows,
        [
            "44 0.01  - 00",
            "44 0.005 Weekend - 00",
            "44 0.03  51 ",
            "44 0.02  - 00",
            "4420 0.01  - 00",
            "4420 0.005 Weekend - 00",
            "4420 0.03  51 ",
        ]
    );
    // Callers of 33 pay more for 44: 33 may not leave the band that says so, nor end.
    let planned = taken(&mut conn, "code,rate,status\n33,0.5,\n34,,closed\n", false, NOW).await;
    let said = totals(&planned);
    assert!(said.contains("row 2: code 33 cannot leave band 51 (Europe)"), "{said}");
    assert!(said.contains("row 3: code 34 cannot end"), "{said}");
    conn.close().await;
}

#[test]
fn every_bad_row_is_named() {
    let text = "\u{feff}Rates of January\r\n\r\nCode;Rate;Effective;Status;Increment\r\n\
        44;0,01;;;\r\n447x;0.01;;;\r\n4477;0.0000000001;;;\r\n4478;;;;\r\n4479;-1;;;\r\n\
        4470;0.01;31/12/2025;;\r\n4471;0.01;;Q;\r\n4472;0.01;;;0/1\r\n4473;0.01;;;\r\n4473;0.02;;;\r\n\
        ;0.01;;;\r\n";
    let deck = deck(text, &settings());
    assert_eq!(deck.columns.header_row, 3);
    let planned =
        plan(deck, &State::default(), PlanSettings { full: false, now: NOW, effective: NOW });
    let rows: Vec<(u64, &str)> =
        planned.rejected.iter().map(|r| (r.row, r.reason.as_str())).collect();
    for ((row, reason), (at, part)) in rows.iter().zip([
        (4, "--decimal-comma"),
        (5, "'x'"),
        (6, "more than 9 decimals"),
        (7, "no price"),
        (8, "negative"),
        (9, "--date-order"),
        (10, "status \"Q\""),
        (11, "increments"),
        (13, "in row 12 already"),
        (14, "no code"),
    ]) {
        assert_eq!(*row, at, "{reason}");
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!((rows.len(), planned.changes.len()), (10, 1));
}

#[test]
fn what_the_deck_says_and_what_it_does() {
    let mut state = State::default();
    let first = deck("code,rate\n44,0.02\n33,0.02\n34,0.02\n35,0.02\n", &settings());
    let planned = plan(first, &state, PlanSettings { full: false, now: NOW, effective: NOW });
    assert_eq!(totals(&planned), "created 4");
    // By hand what applying does: one band, four numbers.
    let mut band = state::OldBand { enabled: true, numbers: 4, ..state::OldBand::default() };
    let (_, start, terms) = planned.work.rates[0].clone();
    band.rates.push(state::OldRate { id: 1, start, terms: Some(terms), a_band: false });
    state.bands.insert(1, band);
    for (id, (code, _)) in (1..).zip(&planned.work.numbers) {
        state.numbers.insert(*code, state::OldNumber { id, band: 1, enabled: true });
    }
    let next = deck(
        "code,rate,status,effective,setup,currency,increment\n\
         44,0.01,increase,2026-02-01,,,\n33,0.02,,2026-02-01,0.001,,\n34,0.02,,2026-02-01,,USD,\n\
         35,0.01,,2025-01-01,,,\n36,0.01,closed,,,,\n",
        &settings(),
    );
    let planned = plan(next, &state, PlanSettings { full: false, now: NOW, effective: NOW });
    assert_eq!(
        totals(&planned),
        "dearer 1; cheaper 1; changed 1; unchanged 1; row 5: code 35: a price from \
         2026-01-20T10:00:00Z is in force, so one from 2025-01-01T00:00:00Z would never be used"
    );
    assert_eq!(planned.notes.len(), 1, "{:?}", planned.notes);
    assert!(planned.notes[0].reason.contains("called an increase"), "{:?}", planned.notes);
    // A dialling prefix left on a code routes nothing, and says so once.
    let dialled = deck("code,rate\n61,0.02\n0044,0.02\n011861,0.02\n", &settings());
    let planned = plan(dialled, &state, PlanSettings { full: false, now: NOW, effective: NOW });
    assert_eq!(planned.notes.len(), 1, "{:?}", planned.notes);
    let note = &planned.notes[0];
    assert!(note.row == 3 && note.reason.ends_with("is it dialled so? 2 such rows"), "{note:?}");
    // Ends that are still to come change nothing yet.
    let later = deck("code,rate,status,effective\n44,,closed,2026-03-01\n", &settings());
    let planned = plan(later, &state, PlanSettings { full: false, now: NOW, effective: NOW });
    assert_eq!(totals(&planned), "ends_later 1");
    assert!(planned.work.is_empty());
    // Rows that were left out do not end their codes.
    let full = deck("code,rate\n44,0.02\n33,x\n34,0.02\n", &settings());
    let planned = plan(full, &state, PlanSettings { full: true, now: NOW, effective: NOW });
    assert_eq!((planned.kept, planned.totals.get(&Kind::Ended)), (1, Some(&1)));
    let full = deck("code,rate\n44,0.02\n33x,1\n", &settings());
    let planned = plan(full, &state, PlanSettings { full: true, now: NOW, effective: NOW });
    assert_eq!((planned.kept, planned.totals.get(&Kind::Ended)), (3, None));
}

async fn typed(words: &[&str]) -> ExitCode {
    let tree = LcrCommand::augment_subcommands(Command::new("fsxinetd"));
    let matches = tree.try_get_matches_from([&["fsxinetd", "import"], words].concat());
    run(LcrCommand::from_arg_matches(&matches.expect("well typed")).expect("import")).await
}

async fn count(url: &DbUrl, table: &str) -> String {
    let mut conn = open(url, Access::ReadOnly).await;
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let rows = conn.rows("count", &sql, 1).await.expect("counts");
    conn.close().await;
    rows[0][0].clone().unwrap_or_default()
}

fn file(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("writes");
    path.display().to_string()
}

#[tokio::test]
async fn all_or_nothing_and_the_codes_that_tell() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    place(&url).await.close().await;
    let db = url.to_string();
    let deck = file(dir.path(), "deck.csv", FIRST);
    let usual = [deck.as_str(), "--db", &db, "--carrier", "Alpha", "--currency", "GBP"];
    let with = |more: &[&'static str]| [&usual, more].concat();

    assert_eq!(typed(&with(&["--dry-run"])).await, ExitCode::SUCCESS);
    assert_eq!(count(&url, "Numbers").await, "0");
    assert_eq!(typed(&with(&["--json", "--full"])).await, ExitCode::SUCCESS);
    assert_eq!(count(&url, "Numbers").await, "5");

    // A deck that would end too much, and one with a bad row: nothing.
    let short = file(dir.path(), "short.csv", "code,rate\n44,9\n");
    let words = [&short, "--db", &db, "--carrier", "1", "--currency", "GBP", "--full"];
    assert_eq!(typed(&words).await, ExitCode::FAILURE);
    let bad = file(dir.path(), "bad.csv", "code,rate\n44,9\n45,x\n46,9\n");
    let words = [&bad, "--db", &db, "--carrier", "1", "--currency", "GBP"];
    assert_eq!(typed(&words).await, ExitCode::FAILURE);
    assert_eq!(
        (count(&url, "Numbers").await, count(&url, "LCRRates").await),
        ("5".into(), "3".into())
    );
    assert_eq!(typed(&[&words[..], &["--skip-rejected"]].concat()).await, ExitCode::SUCCESS);
    assert_eq!(count(&url, "Numbers").await, "6");

    // A quote that is left open swallows rows: those must not count as gone.
    let open = file(dir.path(), "open.csv", "code,rate,name\n44,9,UK\n46,9,\"SE\n45,9,DK\n");
    let words = [&open, "--db", &db, "--carrier", "1", "--currency", "GBP", "--full"];
    assert_eq!(typed(&words).await, ExitCode::FAILURE);
    assert_eq!(count(&url, "Numbers").await, "6");

    // A carrier that is not there, and is made.
    let new = [&short, "--db", &db, "--carrier", "Gamma", "--currency", "GBP"];
    assert_eq!(typed(&new).await, ExitCode::from(2));
    assert_eq!(typed(&[&new[..], &["--create", "--dry-run"]].concat()).await, ExitCode::SUCCESS);
    assert_eq!(count(&url, "Carriers").await, "2");
    assert_eq!(typed(&[&new[..], &["--create", "--retail"]].concat()).await, ExitCode::SUCCESS);
    assert_eq!(count(&url, "Carriers WHERE Type = 'retail'").await, "1");

    // Asked wrongly.
    for more in [
        &["--format-number", "nonsense"][..],
        &["--time-zone", "Mars/Olympus"],
        &["--effective", "soon"],
        &["--map", "code=None"],
        &["--delimiter", "é"],
    ] {
        assert_eq!(typed(&[&usual[..], more].concat()).await, ExitCode::from(2), "{more:?}");
    }
    assert_eq!(typed(&[&deck, "--db", &db, "--carrier", "1"]).await, ExitCode::from(2));
    assert_eq!(typed(&["no-such", "--db", &db, "--carrier", "1"]).await, ExitCode::from(2));
}

#[tokio::test]
async fn a_workbook_is_read_like_a_text() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    place(&url).await.close().await;
    let book = file(dir.path(), "deck.xlsx", include_bytes!("deck.xlsx"));
    let read = Deck::read(Path::new(&book), &settings(), &mut |_| {}).expect("a deck");
    assert_eq!(read.columns.header_row, 3);
    assert!(read.rejected.is_empty(), "{:?}", read.rejected);
    let planned =
        plan(read, &State::default(), PlanSettings { full: true, now: NOW, effective: NOW });
    let lines: Vec<String> = planned
        .changes
        .iter()
        .map(|c| format!("{} {} {} {}", c.code, c.name, c.to.as_deref().unwrap_or(""), c.start))
        .collect();
    assert_eq!(
        lines,
        [
            "33 France 0.3 EUR 1767225600",
            "44 UK 0.0125 GBP 1769904000",
            "4477 UK Mobile 0.02 GBP 60/1 1769904000",
            "4478 UK Mobile 0.02 GBP 60/1 1769904000",
        ]
    );
}

#[tokio::test]
async fn a_mod_lcr_database_moves_in() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    place(&url).await.close().await;
    let source = DbUrl::Sqlite(dir.path().join("mod_lcr.sqlite"));
    let mut conn = open(&source, Access::Create).await;
    testing::run(
        &mut conn,
        "CREATE TABLE carriers (id INTEGER PRIMARY KEY, carrier_name TEXT, enabled INTEGER DEFAULT 1);\n
         CREATE TABLE carrier_gateway (id INTEGER PRIMARY KEY, carrier_id INTEGER, prefix TEXT, suffix TEXT, codec TEXT, enabled INTEGER DEFAULT 1);\n
         CREATE TABLE lcr (id INTEGER PRIMARY KEY, digits TEXT, rate REAL, intrastate_rate REAL, intralata_rate REAL, carrier_id INTEGER,
            lead_strip INTEGER DEFAULT 0, trail_strip INTEGER DEFAULT 0, prefix TEXT DEFAULT '', suffix TEXT DEFAULT '', lcr_profile TEXT,
            date_start TEXT DEFAULT '1970-01-01', date_end TEXT DEFAULT '2030-12-31', quality REAL, reliability REAL, cid TEXT DEFAULT '',
            enabled INTEGER DEFAULT 1, lrn INTEGER DEFAULT 0);\n
         INSERT INTO carriers VALUES (1, 'West', 1), (2, 'East', 1), (3, 'Off', 0);\n
         INSERT INTO carrier_gateway VALUES (1, 1, 'sofia/gateway/west/', '', 'PCMA,PCMU', 1), (2, 2, 'sofia/external/', '@east.example', '', 1);\n
         INSERT INTO lcr (id, digits, rate, carrier_id) VALUES (1, '1', 0.15, 1), (2, '44', 0.02, 2), (3, '447', 0.00001, 1), (4, '33', 1, 3);\n
         INSERT INTO lcr (id, digits, rate, carrier_id, lead_strip, prefix, cid) VALUES (5, '49', 0.03, 2, 2, '0049', '/^(.*)$/+$1/');\n
         INSERT INTO lcr (id, digits, rate, carrier_id, lrn) VALUES (6, '1202', 0.03, 2, 1);\n
         INSERT INTO lcr (id, digits, rate, carrier_id, date_end) VALUES (7, '45', 0.03, 2, '2020-01-01');\n
         INSERT INTO lcr (id, digits, rate, carrier_id, lcr_profile) VALUES (8, '46', 0.03, 2, '7'), (9, '47', 0.03, 2, '8');\n",
    )
    .await;
    conn.close().await;
    let (db, source) = (url.to_string(), source.to_string());
    let words = ["--from-mod-lcr", &source, "--db", &db, "--currency", "GBP", "--lcr-profile", "7"];
    // Rows 6 and 7 make no sense here: said, and nothing done.
    assert_eq!(typed(&words).await, ExitCode::FAILURE);
    assert_eq!(count(&url, "Carriers").await, "2");
    let words = [&words[..], &["--skip-rejected"]].concat();
    assert_eq!(typed(&words).await, ExitCode::SUCCESS);
    assert_eq!(typed(&words).await, ExitCode::SUCCESS); // Again changes nothing.
    assert_eq!(count(&url, "Numbers").await, "5");
    assert_eq!(count(&url, "CarrierGateway").await, "4");
    let mut conn = open(&url, Access::ReadOnly).await;
    let now = crate::feed::instant(Some(b"2026-06-01")).expect("an instant");
    let make = feed::MakeSettings::default();
    let read = feed::read(&mut conn, &make.reading(now), &mut |_, _| {}).await.expect("reads");
    conn.close().await;
    let built = feed::make(&read, &make, 1, now).expect("builds");
    assert_eq!(built.report.lost_rows, 0, "{:?}", built.report.lost);
    let data = Snapshot::open(built.bytes).expect("opens");
    let dialled = |number: &str| {
        let facts = CallFacts {
            caller: Some(b"442079460000"),
            ..CallFacts::new(number.as_bytes(), 0, now)
        };
        let decision = fsx_core::decide(&data, &NoLive, &facts);
        let answer = RouteAnswer::new(&data, &facts, &decision, Vec::new());
        answer
            .routes
            .iter()
            .map(|r| format!("{} {} {} {}", r.cost_per_min, r.dial_string, r.cli, r.vars.len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        dialled("+447700900123"),
        [
            "0.00001 sofia/gateway/west/447700900123 442079460000 1",
            "0.02 sofia/external/447700900123@east.example 442079460000 0",
        ]
    );
    assert_eq!(
        dialled("+4930123456"),
        ["0.03 sofia/external/004930123456@east.example +442079460000 0"]
    );
    assert_eq!(dialled("+4712345678"), Vec::<String>::new());
    let mut theirs = open(&source.parse().expect("an address"), Access::ReadOnly).await;
    let read = super::mod_lcr::read(&mut theirs, None, "GBP", now).await.expect("reads");
    theirs.close().await;
    for profile in ["7", "8"] {
        let note = format!("1 rows of lcr are of profile {profile}: left out");
        assert!(read.notes.iter().any(|n| n.starts_with(&note)), "{note}: {:?}", read.notes);
    }
}

#[tokio::test]
async fn mod_lcr_prices_within_a_state_and_a_lata_are_for_callers_of_it() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    place(&url).await.close().await;
    let source = DbUrl::Sqlite(dir.path().join("theirs.sqlite"));
    let mut theirs = open(&source, Access::Create).await;
    testing::run(
        &mut theirs,
        "CREATE TABLE carriers (id INTEGER PRIMARY KEY, carrier_name TEXT, enabled INTEGER DEFAULT 1);\n
         CREATE TABLE carrier_gateway (id INTEGER PRIMARY KEY, carrier_id INTEGER, prefix TEXT, suffix TEXT, codec TEXT, enabled INTEGER DEFAULT 1);\n
         CREATE TABLE lcr (id INTEGER PRIMARY KEY, digits TEXT, rate REAL, intrastate_rate REAL DEFAULT 0, intralata_rate REAL DEFAULT 0, carrier_id INTEGER,
            lead_strip INTEGER DEFAULT 0, trail_strip INTEGER DEFAULT 0, date_start TEXT DEFAULT '1970-01-01', date_end TEXT DEFAULT '2030-12-31', user_rate REAL);\n
         CREATE TABLE npa_nxx_company_ocn (npa INTEGER, nxx INTEGER, company_type TEXT, ocn TEXT, lata INTEGER, ratecenter TEXT, state TEXT);\n
         INSERT INTO npa_nxx_company_ocn (npa, nxx, lata, state) VALUES (212, 555, 132, 'NY'), (212, 556, 132, 'NY'), (716, 200, 140, 'NY'),
            (716, 201, 132, 'NY'), (415, 555, 722, 'CA'), (415, 556, 724, 'CA');\n
         INSERT INTO carriers VALUES (1, 'West', 1);\n
         INSERT INTO carrier_gateway VALUES (1, 1, 'sofia/gateway/west/', '', '', 1);\n
         INSERT INTO lcr (id, digits, rate, intrastate_rate, intralata_rate, carrier_id, user_rate) VALUES (1, '1', 0.03, 0.02, 0, 1, 0.05), (2, '1212', 0.02, 0.01, 0.005, 1, 0),
            (3, '1415555', 0.02, 0.015, 0, 1, 0), (4, '1716', 0.02, 0.01, 0.004, 1, 0);\n",
    )
    .await;
    let (db, from) = (url.to_string(), source.to_string());
    let words = ["--from-mod-lcr", &from, "--db", &db, "--currency", "USD", "--json"];
    let costs = async |pairs: &[(&str, &str)]| {
        let mut conn = open(&url, Access::ReadOnly).await;
        let make =
            feed::MakeSettings { base_currency: "USD".into(), ..feed::MakeSettings::default() };
        let now = crate::feed::instant(Some(b"2026-06-01")).expect("an instant");
        let read = feed::read(&mut conn, &make.reading(now), &mut |_, _| {}).await.expect("reads");
        conn.close().await;
        let built = feed::make(&read, &make, 1, now).expect("builds");
        assert_eq!(built.report.lost_rows, 0, "{:?}", built.report.lost);
        let data = Snapshot::open(built.bytes).expect("opens");
        let cost = |(caller, called): &(&str, &str)| {
            let facts = CallFacts {
                caller: Some(caller.as_bytes()),
                ..CallFacts::new(called.as_bytes(), 0, now)
            };
            let decision = fsx_core::decide(&data, &NoLive, &facts);
            let answer = RouteAnswer::new(&data, &facts, &decision, Vec::new());
            answer.routes.iter().map(|r| r.cost_per_min.clone()).collect::<Vec<_>>().join(" ")
        };
        pairs.iter().map(cost).collect::<Vec<_>>().join(", ")
    };
    let calls = [
        ("+14155551111", "+12125551234"), // Another state.
        ("+17162001111", "+12125551234"), // The state, another LATA.
        ("+17162011111", "+12125551234"), // The LATA.
        ("+12125561111", "+12125551234"), // The same area code.
        ("anonymous", "+12125551234"),
        ("+442079460000", "+12125551234"),
        ("+14155561111", "+14155551234"), // The state; there is no price for the LATA.
        ("+12125551111", "+17162001234"), // 716 lies in two LATAs: its price within one is left out.
        ("+12125551111", "+13055551234"), // Too short a code for a state.
    ];
    assert_eq!(typed(&words).await, ExitCode::SUCCESS);
    let first = "0.02, 0.01, 0.005, 0.005, 0.02, 0.02, 0.015, 0.01, 0.03";
    assert_eq!(costs(&calls).await, first);
    let counts = async || {
        [count(&url, "LCRRates").await, count(&url, "Numbers").await, count(&url, "Bands").await]
    };
    let once = counts().await;
    assert_eq!(typed(&words).await, ExitCode::SUCCESS);
    assert_eq!(counts().await, once, "again changes nothing");

    // A price within the state changes; the LATA's goes before it all the same.
    testing::run(&mut theirs, "UPDATE lcr SET intrastate_rate = 0.011 WHERE id = 2").await;
    assert_eq!(typed(&words).await, ExitCode::SUCCESS);
    let second = "0.02, 0.011, 0.005, 0.005, 0.02, 0.02, 0.015, 0.01, 0.03";
    assert_eq!(costs(&calls).await, second);
    theirs.close().await;
}

#[tokio::test]
async fn drouting_tables_move_in() {
    let dir = tempfile::tempdir().expect("dir");
    let url = sqlite_url(dir.path());
    place(&url).await.close().await;
    let source = DbUrl::Sqlite(dir.path().join("opensips.sqlite"));
    let mut conn = open(&source, Access::Create).await;
    testing::run(
        &mut conn,
        "CREATE TABLE dr_gateways (id INTEGER PRIMARY KEY, gwid TEXT, type INTEGER, address TEXT, strip INTEGER, pri_prefix TEXT, attrs TEXT, probe_mode INTEGER, state INTEGER);\n
         CREATE TABLE dr_carriers (id INTEGER PRIMARY KEY, carrierid TEXT, gwlist TEXT, flags INTEGER, sort_alg TEXT, state INTEGER);\n
         CREATE TABLE dr_rules (ruleid INTEGER PRIMARY KEY, groupid TEXT, prefix TEXT, timerec TEXT, priority INTEGER, routeid TEXT, gwlist TEXT, sort_alg TEXT);\n
         INSERT INTO dr_gateways VALUES (1, 'g1', 1, '10.0.0.1:5060', 0, '00', '', 0, 0), (2, 'g2', 1, 'sip:10.0.0.2', 0, '', '', 0, 0), (3, 'g3', 1, '10.0.0.3', 0, '', '', 0, 0);\n
         INSERT INTO dr_gateways VALUES (4, 's2', 1, '10.0.0.4', 2, '9', '', 0, 0), (5, 's3', 1, '10.0.0.5', 3, '', '', 0, 0), (6, 'sx', 1, '10.0.0.6', 99, '', '', 0, 0);\n
         INSERT INTO dr_carriers VALUES (1, 'north', 'g1=10,g2=90', 0, 'W', 0), (2, 'strips', 's2,s3,sx', 0, 'N', 0), (3, 'first', 'g2,g3', 1, 'N', 0);\n
         INSERT INTO dr_rules VALUES (11, '0', '39', '', 0, '', '#strips', 'N'), (12, '0', '34', '', 0, '', '#first', 'N'), (13, '0', '351', '', 0, '', 's3', 'N');\n
         INSERT INTO dr_rules VALUES (1, '0,5', '44', '', 0, '', 'g3,#north', 'N'), (2, '0', '4477', '', 10, '', '#north', 'N'),
            (3, '0', '4477', '', 5, '', 'g3', 'N'), (4, '5', '33', '', 0, '', 'g3', 'N'), (5, '0', '49', '20200101T000000|||', 0, '', 'g3', 'N');\n",
    )
    .await;
    conn.close().await;
    let (db, source) = (url.to_string(), source.to_string());
    let words = ["--from-drouting", &source, "--db", &db, "--currency", "GBP", "--skip-rejected"];
    assert_eq!(typed(&words[..6]).await, ExitCode::FAILURE);
    assert_eq!(typed(&words).await, ExitCode::SUCCESS);
    let mut conn = open(&url, Access::ReadOnly).await;
    let make = feed::MakeSettings::default();
    let read = feed::read(&mut conn, &make.reading(NOW), &mut |_, _| {}).await.expect("reads");
    conn.close().await;
    let built = feed::make(&read, &make, 1, NOW).expect("builds");
    assert_eq!(built.report.lost_rows, 0, "{:?}", built.report.lost);
    let data = Snapshot::open(built.bytes).expect("opens");
    let dialled = |number: &str| {
        let facts = CallFacts::new(number.as_bytes(), 0, NOW);
        let decision = fsx_core::decide(&data, &NoLive, &facts);
        let answer = RouteAnswer::new(&data, &facts, &decision, Vec::new());
        answer.routes.iter().map(|r| r.dial_string.clone()).collect::<Vec<_>>()
    };
    // The list's order, by the rule of the longest prefix only.
    assert_eq!(dialled("+442079460000")[0], "sip:442079460000@10.0.0.3");
    assert_eq!(dialled("+442079460000").len(), 3);
    let mobile = dialled("+447700900123");
    assert_eq!(mobile.len(), 2, "{mobile:?}");
    assert!(mobile.iter().all(|to| !to.ends_with("10.0.0.3")), "{mobile:?}");
    assert!(mobile.contains(&"sip:00447700900123@10.0.0.1:5060".to_owned()), "{mobile:?}");
    assert!(dialled("+33100000000").is_empty());
    // Digits are taken off, then the gateway's own are put on; gateways that differ are left out.
    assert_eq!(dialled("+390212345678"), ["sip:90212345678@10.0.0.4"]);
    assert_eq!(dialled("+351212345678"), ["sip:212345678@10.0.0.5"]);
    assert_eq!(dialled("+34911234567"), ["sip:34911234567@10.0.0.2"], "the first only");
}

/// Every deck of the manual is imported as the line above it says.
#[tokio::test]
async fn the_examples_of_the_manual() {
    let manual = include_str!("../../../docs/lcr.md");
    let mut examples = 0;
    for example in manual.split("<!-- import: ").skip(1) {
        let (line, rest) = example.split_once(" -->").expect("a comment");
        let (words, numbers) = line.split_once(" => ").expect("a count");
        let (_, deck) = rest.split_once("```csv\n").expect("a deck");
        let (deck, _) = deck.split_once("```").expect("its end");
        let dir = tempfile::tempdir().expect("dir");
        let url = sqlite_url(dir.path());
        place(&url).await.close().await;
        let (db, deck) = (url.to_string(), file(dir.path(), "deck.csv", deck));
        let usual = [deck.as_str(), "--db", &db, "--carrier", "Alpha"];
        let words: Vec<&str> = usual.into_iter().chain(words.split(' ')).collect();
        assert_eq!(typed(&words).await, ExitCode::SUCCESS, "{line}");
        assert_eq!(count(&url, "Numbers").await, numbers, "{line}");
        examples += 1;
    }
    assert_eq!(examples, 2);
}
