//! What others mail and keep: rate decks, workbooks, and the tables of other routers.
//!
//! An import runs with the rights to write every price, on a file that a stranger made. So whatever
//! is in it: an answer, in bounded time and memory, and never a row that the file does not hold. The same
//! targets run for a moment in `fsxinetd/tests/hostile_decks.rs`.

use std::{
    io::{Cursor, Write as _},
    sync::{Mutex, MutexGuard, OnceLock},
    time::Duration,
};

use fsxinetd::db::{self, Access, Conn, DbUrl, quote};
use fsxinetd::import::{
    apply,
    codes::{Code, MOST_CODES, codes},
    deck::{Deck, DeckSettings},
    drouting, mod_lcr, origins,
    plan::{PlanSettings, Planned, plan},
    state::State,
    transfer,
    values::{self, DateOrder},
};

/// 2026-01-20T10:00:00Z.
const NOW: i64 = 1_768_903_200;

fn settings(dates: DateOrder, decimal_comma: bool) -> DeckSettings {
    DeckSettings {
        map: Vec::new(),
        no_header: false,
        delimiter: None,
        sheet: None,
        currency: Some("GBP".to_owned()),
        effective: NOW,
        zone: jiff::tz::TimeZone::UTC,
        dates,
        decimal_comma,
        increments: (1, 1),
        format_number: None,
        format_cli: None,
    }
}

pub(crate) fn deck_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "Destination,Dial Codes,Rate (GBP),Effective Date,Status\nUK Mobile,447[4-5];4477,0.02,2026-01-01,new\nUK,44,0.005,2026-01-01,closed\n",
        "\u{feff}Rates\r\n\r\nCode;Rate;Effective;Status;Increment\r\n44;0,01;31/12/2025;;60/1\r\n4470-4479;1.234,5;;blocked;\r\n",
        "Country Code\tArea Codes\tPrice\tSetup\tCurrency\n44\t7[0-9]00,20\t0.01\t0.005\tUSD\n1\t\t0.001\t\t\n",
        "code|rate|initial|next|start\n\"44\"|\"0.01\"|30|6|2026-03-29 01:30:00\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let mut wide = vec![0xFF, 0xFE];
    wide.extend("code,rate\n44,1\n".encode_utf16().flat_map(u16::to_le_bytes));
    seeds.push(wide);
    seeds.push(b"code,rate,name\n33,1,C\xF4te d'Ivoire\n".to_vec());
    seeds.push(packed(&workbook_seeds()[0]));
    seeds
}

/// A deck as it comes, whatever it is.
pub(crate) fn deck(bytes: &[u8]) {
    for (dates, comma, full) in [(DateOrder::Ymd, false, false), (DateOrder::Dmy, true, true)] {
        if let Ok(deck) = Deck::of_bytes(bytes.to_vec(), &settings(dates, comma)) {
            planned(deck, full);
        }
    }
}

/// What is planned of a deck is what stands in it.
fn planned(deck: Deck, full: bool) -> Planned {
    for entry in &deck.entries {
        assert!(deck.names.get(entry.name as usize).is_some());
    }
    assert!(deck.rejected.iter().all(|rejected| !rejected.reason.is_empty()));
    let entries: std::collections::HashSet<Code> = deck.entries.iter().map(|e| e.code).collect();
    let planning = PlanSettings { full, now: NOW, effective: NOW };
    let planned = plan(deck, &State::default(), planning);
    assert_eq!(planned.codes, entries.len() as u64);
    let mut numbers: Vec<Code> = planned.work.numbers.iter().map(|(code, _)| *code).collect();
    assert!(numbers.iter().all(|code| entries.contains(code)));
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "a code twice");
    assert!(planned.work.moves.is_empty() && planned.work.end_numbers.is_empty(), "of nobody");
    let prices = &planned.work.rates;
    assert!(prices.iter().all(|(_, _, terms)| terms.rate.0 >= 0 && terms.setup.0 >= 0));
    planned
}

/// What stands between the parts of a workbook in the input.
const BETWEEN: &[u8] = b"\n====\n";

pub(crate) fn workbook_seeds() -> Vec<Vec<u8>> {
    const SHEET: &str = r#"<worksheet><dimension ref="A1:C3"/><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="inlineStr"><is><t>Effective</t></is></c></row><row r="2"><c r="A2"><v>447700</v></c><c r="B2"><v>0.0125</v></c><c r="C2" s="1"><v>46042.5</v></c></row><row r="3"><c r="A3" t="str"><v>33</v></c><c r="B3" t="e"><v>#DIV/0!</v></c><c r="XFD3" t="b"><v>1</v></c></row></sheetData></worksheet>"#;
    const TEXTS: &str = r#"<sst count="2" uniqueCount="2"><si><t>Code</t></si><si><r><t>Ra</t></r><r><t>te</t></r></si></sst>"#;
    const STYLES: &str = r#"<styleSheet><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/></numFmts><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>"#;
    const BOOK: &str = r#"<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><workbookPr date1904="0"/><sheets><sheet name="Rates" sheetId="1" r:id="r1"/></sheets></workbook>"#;
    const LINKS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;
    let seed = [SHEET, TEXTS, STYLES, BOOK, LINKS].join("\n====\n").into_bytes();
    // A seed that the reader refuses would try nothing.
    let read =
        Deck::of_bytes(packed(&seed), &settings(DateOrder::Mdy, false)).map(|deck| deck.rows);
    assert_eq!(read.ok(), Some(2));
    vec![seed]
}

/// The parts in a ZIP file.
fn packed(parts: &[u8]) -> Vec<u8> {
    const NAMES: [&str; 5] = [
        "xl/worksheets/sheet1.xml",
        "xl/sharedStrings.xml",
        "xl/styles.xml",
        "xl/workbook.xml",
        "xl/_rels/workbook.xml.rels",
    ];
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    const ROOT: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r0" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    zip.start_file("_rels/.rels", stored).expect("a part");
    zip.write_all(ROOT.as_bytes()).expect("in memory");
    let mut rest = parts;
    for name in NAMES {
        let at = rest.windows(BETWEEN.len()).position(|w| w == BETWEEN).unwrap_or(rest.len());
        zip.start_file(name, stored).expect("a part");
        zip.write_all(&rest[..at]).expect("in memory");
        rest = rest.get(at + BETWEEN.len()..).unwrap_or_default();
    }
    zip.finish().expect("a workbook").into_inner()
}

/// A workbook whose parts are whatever they are.
pub(crate) fn workbook(bytes: &[u8]) {
    if let Ok(deck) = Deck::of_bytes(packed(bytes), &settings(DateOrder::Mdy, false)) {
        planned(deck, false);
    }
}

pub(crate) fn cell_seeds() -> Vec<Vec<u8>> {
    [
        "44\n7[4-5];4477|20-29",
        "\n447[4,6-8]00",
        "+1\n 202 , +203",
        "1,234.5\n60/1",
        "31/12/2025\nGBP",
        "2026-03-29T01:30\nIncrease",
        "0.1234567890\n1+1",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Two cells, taken for everything that a cell can be.
pub(crate) fn cell(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (first, second) = text.split_once('\n').unwrap_or(("", &text));
    if let Ok(all) = codes(first, second) {
        let country = first.trim().trim_start_matches('+');
        assert!(!all.is_empty() && all.len() <= 2 * MOST_CODES);
        for code in &all {
            let digits = code.as_str();
            assert!(digits.starts_with(country) && digits.bytes().all(|b| b.is_ascii_digit()));
            assert!((1..=15).contains(&digits.len()));
            assert_eq!(Code::new(digits.as_bytes()), Some(*code));
        }
    }
    let zone = jiff::tz::TimeZone::get("Europe/London").unwrap_or(jiff::tz::TimeZone::UTC);
    for cell in [first, second] {
        for comma in [false, true] {
            if let Ok(price) = values::money(cell, comma) {
                assert!(price.0 >= 0);
                assert_eq!(values::money(&price.to_string(), false), Ok(price));
            }
        }
        for order in [DateOrder::Ymd, DateOrder::Dmy, DateOrder::Mdy] {
            if let Ok(Some(at)) = values::instant(cell, order, &zone) {
                assert!((-400_000_000_000..400_000_000_000).contains(&at), "{cell}: {at}");
            }
        }
        let _ = values::status(cell);
        if let Ok((first, next)) = values::increments(cell) {
            assert!((1..=3600).contains(&first) && (1..=3600).contains(&next));
        }
        if let Ok(currency) = values::currency(cell) {
            assert!(currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()));
        }
    }
}

/// A database with their tables, and one with ours.
struct Tables {
    runtime: tokio::runtime::Runtime,
    theirs: Conn,
    ours: Conn,
    _dir: tempfile::TempDir,
}

fn tables() -> MutexGuard<'static, Tables> {
    static TABLES: OnceLock<Mutex<Tables>> = OnceLock::new();
    let tables = TABLES.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let dir = tempfile::tempdir().expect("dir");
        let opened = runtime.block_on(async {
            let open = |name: &str| DbUrl::Sqlite(dir.path().join(name));
            let (theirs, ours) = (open("theirs.sqlite"), open("ours.sqlite"));
            let mut conn = Conn::open(&theirs, Access::Create, Duration::from_secs(60)).await?;
            conn.execute("hurry", "PRAGMA synchronous = OFF").await?;
            for (table, columns) in TABLES_OF_THEIRS {
                let columns: Vec<String> = columns.iter().map(|c| format!("{c} TEXT")).collect();
                let sql = format!("CREATE TABLE {table} ({})", columns.join(", "));
                conn.execute("make their tables", &sql).await?;
            }
            let mut ours = Conn::open(&ours, Access::Create, Duration::from_secs(60)).await?;
            ours.execute("hurry", "PRAGMA synchronous = OFF").await?;
            db::migrate(&mut ours).await?;
            Ok::<_, db::DbError>((conn, ours))
        });
        let (theirs, ours) = opened.expect("two databases");
        Mutex::new(Tables { runtime, theirs, ours, _dir: dir })
    });
    tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

const TABLES_OF_THEIRS: [(&str, &[&str]); 7] = [
    ("carriers", &["id", "carrier_name", "enabled"]),
    ("carrier_gateway", &["id", "carrier_id", "prefix", "suffix", "codec", "enabled"]),
    (
        "lcr",
        &[
            "id",
            "digits",
            "rate",
            "carrier_id",
            "lead_strip",
            "trail_strip",
            "prefix",
            "suffix",
            "lcr_profile",
            "date_start",
            "date_end",
            "cid",
            "enabled",
            "lrn",
            "intrastate_rate",
            "intralata_rate",
            "user_rate",
        ],
    ),
    ("npa_nxx_company_ocn", &["npa", "nxx", "state", "lata"]),
    ("dr_gateways", &["gwid", "address", "strip", "pri_prefix", "state"]),
    ("dr_carriers", &["carrierid", "gwlist", "flags", "sort_alg", "state"]),
    (
        "dr_rules",
        &["ruleid", "groupid", "prefix", "timerec", "priority", "routeid", "gwlist", "sort_alg"],
    ),
];

pub(crate) fn table_seeds() -> Vec<Vec<u8>> {
    [
        "1|West|1\n1|1|sofia/gateway/w/|@h|PCMA|1\n1|44|0.02|1|2|0|0049||7|2026-01-01|2030-12-31|/^(.*)$/+$1/|1|0|0.01|0.005\n212|555|NY|132\n2|East|1\n2|2|x||G729|0\n2|1212|0.02|1||||||2026-01-01|||1|0|0.01|0.005|0.5\n212|556|N'Y|132",
        "2|O'East|1\n1|2|x'); DROP TABLE lcr; --||\\|1\n9|447|1e-5|2|0|1||#|||||1||||",
        "---\ng1|sip:a@10.0.0.1|2|00|0\nn|g1=10,g1=90|0|W|0\n1|0,5|44||0||g1,#n|N",
        "---\ng'1|h|0||1\nn|g'1;x=|1|Q|\n1|0|4477|2020|9|r|#n|W\n2|0|||||g'1|",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Rows of other routers, one a line, cells between bars: mod_lcr's tables, or drouting's.
pub(crate) fn table(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).replace('\0', "");
    let drouting = text.starts_with("---\n");
    let mut guard = tables();
    let Tables { runtime, theirs: conn, ours, .. } = &mut *guard;
    runtime.block_on(async {
        let theirs = if drouting { &TABLES_OF_THEIRS[4..] } else { &TABLES_OF_THEIRS[..4] };
        let lines: Vec<&str> = text.trim_start_matches("---\n").lines().collect();
        for (at, (table, columns)) in theirs.iter().enumerate() {
            conn.execute("empty", &format!("DELETE FROM {table}")).await.expect("emptied");
            for line in lines.iter().skip(at).step_by(theirs.len()).take(20) {
                let mut cells: Vec<String> =
                    line.split('|').take(columns.len()).map(|cell| quote(true, cell)).collect();
                cells.resize(columns.len(), "NULL".to_owned());
                let sql = format!("INSERT INTO {table} VALUES ({})", cells.join(", "));
                conn.execute("fill", &sql).await.expect("filled");
            }
        }
        let read = if drouting {
            drouting::read(conn, 0, "GBP").await
        } else {
            mod_lcr::read(conn, Some("7"), "GBP", NOW).await
        };
        let mut sources = read.expect("the tables are there");
        for (_, pattern, replacement) in &sources.formats {
            let program = fsx_core::pattern::compile(pattern).expect("checked");
            fsx_core::pattern::check_replacement(&program, replacement).expect("checked");
        }
        // Into our tables with it, whatever the texts are; and out again.
        apply::begin(ours).await.expect("begins");
        let classes = std::mem::take(&mut sources.classes);
        let classes = origins::place(ours, classes).await.expect("placed");
        let placed = transfer::place(ours, sources, &mut Vec::new()).await.expect("placed");
        for (carrier, _, _, mut deck) in placed {
            let by_class = std::mem::take(&mut deck.origins);
            let state = State::read(ours, carrier).await.expect("read");
            let planned =
                plan(deck, &state, PlanSettings { full: false, now: NOW, effective: NOW });
            apply::apply(ours, carrier, &planned.work, &mut |_| {}).await.expect("applied");
            origins::write(ours, carrier, by_class, &classes).await.expect("written");
        }
        apply::end(ours, false).await.expect("rolled back");
    });
}
