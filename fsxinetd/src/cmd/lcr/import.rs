//! `fsxinetd lcr import`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::now;
use crate::cmd::progress::thousands;
use crate::cmd::{Failure, Progress, open};
use crate::db::{Access, Conn};
use crate::import::columns::Told;
use crate::import::deck::{Deck, DeckSettings, Rejected};
use crate::import::plan::{Change, Kind, PlanSettings, Planned, day, plan};
use crate::import::state::State;
use crate::import::values::{self, DateOrder};
use crate::import::{ImportError, apply, drouting, mod_lcr, origins, state};

/// Options of `import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The deck: CSV or XLSX; - is CSV on standard input
    #[arg(required_unless_present_any = ["from_mod_lcr", "from_drouting"])]
    file: Option<PathBuf>,
    /// Take the tables of a mod_lcr database (carriers, carrier_gateway, lcr) instead
    #[arg(long, value_name = "URL", conflicts_with_all = ["file", "from_drouting", "carrier", "full"])]
    from_mod_lcr: Option<String>,
    /// Take the tables of OpenSIPS drouting (dr_carriers, dr_gateways, dr_rules) instead
    #[arg(long, value_name = "URL", conflicts_with_all = ["file", "carrier", "full"])]
    from_drouting: Option<String>,
    /// mod_lcr: only rows of this lcr_profile; rows without one are always taken
    #[arg(long, value_name = "ID")]
    lcr_profile: Option<String>,
    /// drouting: the group whose rules are taken
    #[arg(long, value_name = "ID", default_value_t = 0)]
    group: u32,
    /// The LCR database: sqlite:FILE or mysql://user:password@host/name
    #[arg(long, value_name = "URL", env = "FSX_DB", hide_env_values = true)]
    db: String,
    /// Whose deck it is: name or ID
    #[arg(long, value_name = "NAME|ID", required_unless_present_any = ["from_mod_lcr", "from_drouting"])]
    carrier: Option<String>,
    /// Make the carrier where there is none of that name
    #[arg(long)]
    create: bool,
    /// A carrier that is made sells to organisations: its deck is a price list for margins
    #[arg(long, requires = "create")]
    retail: bool,
    /// The deck is all that the carrier sells: codes that it does not name end
    #[arg(long)]
    full: bool,
    /// Refuse a full deck that would end more than this share of the carrier's codes
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u8).range(0..=100))]
    max_ended_percent: u8,
    /// Import although rows are rejected; codes of rejected rows do not end
    #[arg(long)]
    skip_rejected: bool,
    /// Which column is what, as in code=Dialcode; again for each: code, country, rate, setup, name,
    /// effective, status, increment, initial, next, currency, period; a header or a number from 1
    #[arg(long, value_name = "FIELD=COLUMN")]
    map: Vec<Told>,
    /// The first row is data; columns go by number
    #[arg(long)]
    no_header: bool,
    /// CSV: what stands between cells; found out where not given
    #[arg(long, value_name = "SIGN")]
    delimiter: Option<char>,
    /// XLSX: the sheet; the first where not given
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// Currency of rows that name none
    #[arg(long, value_name = "ISO4217", value_parser = values::currency)]
    currency: Option<String>,
    /// From when rows hold that do not say; now where not given
    #[arg(long, value_name = "DATE")]
    effective: Option<String>,
    /// Zone of dates that do not say, as in Europe/London
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    time_zone: String,
    /// How the deck writes its dates: ymd 2026-01-31, dmy 31/01/2026, mdy 01/31/2026
    #[arg(long, value_enum, value_name = "ORDER", default_value = "ymd")]
    date_order: DateOrder,
    /// Prices are written 0,0125
    #[arg(long)]
    decimal_comma: bool,
    /// Blocks in seconds of rows that name none
    #[arg(long, value_name = "FIRST/NEXT", default_value = "1/1", value_parser = values::increments)]
    increment: (u32, u32),
    /// FormatNumber of the new rates; that of the rate before where not given
    #[arg(long, value_name = "NAME")]
    format_number: Option<String>,
    /// FormatCLI of the new rates; that of the rate before where not given
    #[arg(long, value_name = "NAME")]
    format_cli: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// JSON on standard output: every change and every rejected row
    #[arg(long)]
    json: bool,
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Db(error) => error.into(),
            ImportError::Usage(_) => Self::usage(error),
            ImportError::File { .. } | ImportError::Refused(_) => Self::failed(error),
        }
    }
}

/// One carrier's part of an import.
struct Part {
    carrier: u32,
    name: String,
    created: bool,
    planned: Planned,
}

pub(super) async fn import(args: ImportArgs) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let zone = jiff::tz::TimeZone::get(&args.time_zone)
        .map_err(|_| Failure::usage(format!("--time-zone {}: no such zone", args.time_zone)))?;
    let at = now();
    let effective = match args.effective.as_deref() {
        None => at,
        Some(text) => values::instant(text, args.date_order, &zone)
            .map_err(|e| Failure::usage(format!("--effective: {e}")))?
            .unwrap_or(at),
    };
    let settings = DeckSettings {
        map: args.map.clone(),
        no_header: args.no_header,
        delimiter: match args.delimiter {
            Some(c) if c.is_ascii() => Some(c as u8),
            Some(_) => return Err(Failure::usage("--delimiter: expected one ASCII sign")),
            None => None,
        },
        sheet: args.sheet.clone(),
        currency: args.currency.clone(),
        effective,
        zone,
        dates: args.date_order,
        decimal_comma: args.decimal_comma,
        increments: args.increment,
        format_number: args.format_number.clone(),
        format_cli: args.format_cli.clone(),
    };
    let mut progress = Progress::new();
    // Read before anything is locked: a deck can be long.
    let deck = match &args.file {
        Some(file) => Some(Deck::read(file, &settings, &mut |rows| {
            progress.show(|| format!("reading {}: {} rows", file.display(), thousands(rows)));
        })?),
        None => None,
    };
    let (_, mut conn) = open(&args.db, Access::ReadWrite).await?;
    state::check(&mut conn).await?;
    apply::begin(&mut conn).await?;
    let result = match deck {
        Some(deck) => {
            let planning = PlanSettings { full: args.full, now: at, effective };
            let said = Said::of(&deck);
            one_deck(&args, &mut conn, deck, planning, &mut progress).await.map(|p| (vec![p], said))
        }
        None => other_router(&args, &mut conn, &settings, at, &mut progress).await,
    };
    let keep = result.is_ok() && !args.dry_run;
    let applied = match result {
        Ok((parts, said)) => match refusal(&args, &parts) {
            Some(why) => Ok((parts, said, Some(why))),
            None => Ok((parts, said, None)),
        },
        Err(error) => Err(error),
    };
    let keep = keep && matches!(&applied, Ok((_, _, None)));
    let ended = apply::end(&mut conn, keep).await;
    if keep && conn.is_sqlite() {
        // The rows are in already; folding the log may wait for readers.
        let _ = conn.execute("fold the log", "PRAGMA wal_checkpoint(PASSIVE)").await;
    }
    conn.close().await;
    progress.done();
    let (parts, said, refused) = applied?;
    ended?;
    if args.json {
        say!("{}", as_json(&args, &parts, &said, keep, refused.as_deref()))?;
    } else {
        let text = in_words(&args, &parts, &said, keep, began.elapsed().as_secs_f64());
        say!("{}", text.trim_end())?;
    }
    match refused {
        Some(why) if !args.dry_run => Err(Failure::failed(ImportError::Refused(why))),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Plans and (unless nothing is to be kept) writes one carrier's deck.
async fn one_deck(
    args: &ImportArgs,
    conn: &mut Conn,
    deck: Deck,
    planning: PlanSettings,
    progress: &mut Progress,
) -> Result<Part, Failure> {
    for (option, name) in
        [("--format-number", &args.format_number), ("--format-cli", &args.format_cli)]
    {
        if let Some(name) = name {
            known_format(conn, option, name).await?;
        }
    }
    let named = args.carrier.as_deref().unwrap_or_default();
    let (carrier, name, created) = match state::carrier(conn, named).await? {
        Some((id, name)) => (id, name, false),
        None if args.create => {
            let kind = if args.retail { "retail" } else { "route" };
            (apply::carrier(conn, named.trim(), kind).await?, named.trim().to_owned(), true)
        }
        None => {
            return Err(Failure::usage(format!(
                "no carrier \"{named}\": --create makes it (its gateways are yours to add)"
            )));
        }
    };
    let state = State::read(conn, carrier).await?;
    let part = Part { carrier, name, created, planned: plan(deck, &state, planning) };
    write(args, conn, &part, progress).await?;
    Ok(part)
}

/// Writes a part, where it is to be written; whether it was.
async fn write(
    args: &ImportArgs,
    conn: &mut Conn,
    part: &Part,
    progress: &mut Progress,
) -> Result<bool, Failure> {
    if args.dry_run || refusal(args, std::slice::from_ref(part)).is_some() {
        return Ok(false);
    }
    let all = part.planned.work.rows();
    apply::apply(conn, part.carrier, &part.planned.work, &mut |done| {
        progress.show(|| {
            format!("writing {}: {} of {} rows", part.name, thousands(done), thousands(all))
        });
    })
    .await?;
    Ok(true)
}

async fn known_format(conn: &mut Conn, option: &str, name: &str) -> Result<(), Failure> {
    let literal = crate::db::quote(conn.is_sqlite(), name);
    let sql = format!("SELECT 1 FROM Formats WHERE Name = {literal} LIMIT 1");
    if name.is_empty() || !conn.rows("read Formats", &sql, 1).await?.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!("{option} {name}: no such row in Formats")))
}

async fn other_router(
    args: &ImportArgs,
    conn: &mut Conn,
    settings: &DeckSettings,
    at: i64,
    progress: &mut Progress,
) -> Result<(Vec<Part>, Said), Failure> {
    let Some(currency) = settings.currency.clone() else {
        return Err(Failure::usage("the tables name no currency: --currency GBP, say"));
    };
    let mut said = Said::default();
    let url = args.from_mod_lcr.as_deref().or(args.from_drouting.as_deref()).unwrap_or_default();
    let (_, mut source) = open(url, Access::ReadOnly).await?;
    let sources = if args.from_mod_lcr.is_some() {
        mod_lcr::read(&mut source, args.lcr_profile.as_deref(), &currency, at).await
    } else {
        drouting::read(&mut source, args.group, &currency).await
    };
    source.close().await;
    let mut sources = sources?;
    let classes = std::mem::take(&mut sources.classes);
    said.rows = sources.rows;
    let mut parts = Vec::new();
    let planning = PlanSettings { full: false, now: at, effective: at };
    let decks = crate::import::mod_lcr::place(conn, sources, &mut said.notes).await?;
    let classes = origins::place(conn, classes).await?;
    for (carrier, name, created, mut deck) in decks {
        let by_class = std::mem::take(&mut deck.origins);
        if !by_class.is_empty() {
            let count = thousands(by_class.len() as u64);
            said.notes.push(format!("{count} prices of {name} are for callers of a state or LATA"));
        }
        let state = State::read(conn, carrier).await?;
        let part = Part { carrier, name, created, planned: plan(deck, &state, planning) };
        if write(args, conn, &part, progress).await? {
            let left = origins::write(conn, carrier, by_class, &classes).await?;
            if left > 0 {
                said.notes.push(format!(
                    "{left} bands of {}: their codes have different prices by state now, so those are left \
                     as they were",
                    part.name
                ));
            }
        }
        parts.push(part);
    }
    Ok((parts, said))
}

/// What is to be told of the source itself.
#[derive(Default)]
struct Said {
    rows: u64,
    used: Vec<(String, String)>,
    unused: Vec<String>,
    header_row: u64,
    notes: Vec<String>,
}

impl Said {
    fn of(deck: &Deck) -> Self {
        Self {
            rows: deck.rows,
            used: deck.columns.used().map(|(f, h)| (f.to_owned(), h.to_owned())).collect(),
            unused: deck.columns.unused.clone(),
            header_row: deck.columns.header_row,
            notes: Vec::new(),
        }
    }
}

/// Why it is not to be written.
fn refusal(args: &ImportArgs, parts: &[Part]) -> Option<String> {
    let rejected: usize = parts.iter().map(|part| part.planned.rejected.len()).sum();
    if rejected > 0 && !args.skip_rejected {
        let first = parts.iter().find_map(|part| part.planned.rejected.first())?;
        return Some(format!(
            "{} rows are rejected, the first being row {} ({}); mend them, or --skip-rejected",
            thousands(rejected as u64),
            first.row,
            first.reason
        ));
    }
    for part in parts.iter().filter(|_| args.full) {
        let ended = part.planned.totals.get(&Kind::Ended).copied().unwrap_or(0);
        let before = part.planned.before;
        if ended * 100 > before * u64::from(args.max_ended_percent) {
            return Some(format!(
                "{} of the {} codes of {} would end, more than {} %: is the deck a full one? \
                 (--max-ended-percent)",
                thousands(ended),
                thousands(before),
                part.name,
                args.max_ended_percent
            ));
        }
    }
    None
}

fn as_json(
    args: &ImportArgs,
    parts: &[Part],
    said: &Said,
    applied: bool,
    refused: Option<&str>,
) -> serde_json::Value {
    let rejected = |rows: &[Rejected]| -> Vec<_> {
        rows.iter().map(|r| json!({ "row": r.row, "reason": r.reason })).collect()
    };
    let change = |c: &Change| {
        json!({
            "code": c.code.as_str(), "name": c.name, "row": c.row, "from": c.from, "to": c.to,
            "start": day(c.start),
        })
    };
    let carriers: Vec<_> = parts
        .iter()
        .map(|part| {
            let planned = &part.planned;
            let mut totals: serde_json::Map<_, _> = Kind::ALL
                .iter()
                .map(|k| (k.name().to_owned(), json!(planned.totals.get(k).unwrap_or(&0))))
                .collect();
            totals.insert("rejected".to_owned(), json!(planned.rejected.len()));
            totals.insert("codes".to_owned(), json!(planned.codes));
            totals.insert("kept".to_owned(), json!(planned.kept));
            let mut out = json!({
                "carrier_id": part.carrier,
                "carrier": part.name,
                "carrier_created": part.created,
                "totals": totals,
                "rejected": rejected(&planned.rejected),
                "notes": rejected(&planned.notes),
            });
            for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Unchanged) {
                let of_kind = planned.changes.iter().filter(|c| c.kind == *kind);
                out[kind.name()] = of_kind.map(change).collect();
            }
            out
        })
        .collect();
    let used: serde_json::Map<_, _> =
        said.used.iter().map(|(field, header)| (field.clone(), json!(header))).collect();
    json!({
        "dry_run": args.dry_run,
        "applied": applied,
        "refused": refused,
        "rows": said.rows,
        "header_row": said.header_row,
        "columns": used,
        "columns_not_used": said.unused,
        "notes": said.notes,
        "carriers": carriers,
    })
}

/// Most changes of a kind that are shown one by one; `--json` shows all.
const MOST_SHOWN: usize = 20;

fn in_words(args: &ImportArgs, parts: &[Part], said: &Said, applied: bool, seconds: f64) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    // Writing to a String cannot fail.
    if !said.used.is_empty() {
        let used: Vec<_> = said.used.iter().map(|(f, h)| format!("{f} = \"{h}\"")).collect();
        let _ = writeln!(out, "columns   {}", used.join(", "));
    }
    if !said.unused.is_empty() {
        let _ = writeln!(out, "not used  {}", said.unused.join(", "));
    }
    for note in &said.notes {
        let _ = writeln!(out, "note      {note}");
    }
    for part in parts {
        let planned = &part.planned;
        let made = if part.created { ", new" } else { "" };
        let _ = writeln!(out, "carrier   {} ({}{made})", part.name, part.carrier);
        for kind in Kind::ALL {
            let count = planned.totals.get(&kind).copied().unwrap_or(0);
            let _ = writeln!(out, "{:>12}  {}", thousands(count), kind.name().replace('_', " "));
            if kind == Kind::Unchanged {
                continue;
            }
            for c in planned.changes.iter().filter(|c| c.kind == kind).take(MOST_SHOWN) {
                let price = match (&c.from, &c.to) {
                    (Some(from), Some(to)) => format!("{from} → {to}"),
                    (from, to) => from.as_ref().or(to.as_ref()).cloned().unwrap_or_default(),
                };
                let _ = writeln!(
                    out,
                    "                {}  {}  {price}  {}",
                    c.code,
                    c.name,
                    day(c.start)
                );
            }
            if count > MOST_SHOWN as u64 {
                let _ =
                    writeln!(out, "                … and {}", thousands(count - MOST_SHOWN as u64));
            }
        }
        let rejected = planned.rejected.len() as u64;
        let _ = writeln!(out, "{:>12}  rejected", thousands(rejected));
        for row in planned.rejected.iter().take(5 * MOST_SHOWN) {
            let _ = writeln!(out, "                row {}: {}", row.row, row.reason);
        }
        if rejected > 5 * MOST_SHOWN as u64 {
            let _ = writeln!(out, "                … and more: --json names them all");
        }
        if planned.kept > 0 {
            let _ = writeln!(
                out,
                "{:>12}  kept, though the deck does not name them: rows were rejected",
                thousands(planned.kept)
            );
        }
        for note in planned.notes.iter().take(MOST_SHOWN) {
            let _ = writeln!(out, "note      row {}: {}", note.row, note.reason);
        }
    }
    let _ = writeln!(
        out,
        "{}: {} rows, {seconds:.1} s",
        if applied {
            "imported"
        } else if args.dry_run {
            "nothing was changed (--dry-run)"
        } else {
            "nothing was changed"
        },
        thousands(said.rows)
    );
    out
}
