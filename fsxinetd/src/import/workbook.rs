//! Workbooks (XLSX), whatever somebody mails.
//!
//! A workbook is a ZIP file of XML, so a small one can unpack to anything: a megabyte of mail to a
//! gigabyte of nothing, or a table with one cell in each far corner. Before it is read it is unpacked once,
//! counting; then its cells are taken one by one, and a table is never laid out in memory.

use std::io::{Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{DataRef, Reader as _, Xlsx};

use super::ImportError;
use super::sheet::{Each, MOST_CELLS};

/// Most that one part of a workbook may unpack to. A million rows of six cells are some 200 MiB.
const MOST_UNPACKED: u64 = 1 << 30;

/// Most of the shared texts: these are all in memory at once.
const MOST_TEXTS: u64 = 128 << 20;

/// A part that unpacks to more than this must not be packed tighter than [`MOST_RATIO`].
const LARGE: u64 = 32 << 20;

/// How tight tables are packed at most; a thousandfold is a bomb.
const MOST_RATIO: u64 = 200;

/// Parts of a workbook; real ones have a few dozen.
const MOST_PARTS: usize = 10_000;

/// Reads every row of a sheet that has anything in it.
pub(super) fn workbook(
    path: &Path,
    bytes: Vec<u8>,
    sheet: Option<&str>,
    each: Each<'_>,
) -> Result<(), ImportError> {
    weigh(&bytes).map_err(|reason| ImportError::file(path, reason))?;
    // Hostile workbooks have made the reader stop in ways that it did not mean to.
    match catch_unwind(AssertUnwindSafe(|| cells(path, bytes, sheet, each))) {
        Ok(read) => read,
        Err(_) => Err(ImportError::file(path, "a damaged workbook")),
    }
}

/// Unpacks everything once and keeps nothing, so that what is wrong is known before it is in memory.
fn weigh(bytes: &[u8]) -> Result<(), String> {
    let bad = |e: &dyn std::fmt::Display| format!("a damaged workbook: {e}");
    let mut parts = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| bad(&e))?;
    if parts.len() > MOST_PARTS {
        return Err(format!("a workbook of {} parts: not a rate deck", parts.len()));
    }
    for at in 0..parts.len() {
        let mut part = parts.by_index(at).map_err(|e| bad(&e))?;
        let (name, packed) =
            (part.name().map_err(|e| bad(&e))?.into_owned(), part.compressed_size().max(1));
        let texts = name.to_ascii_lowercase().ends_with("sharedstrings.xml");
        let most = if texts { MOST_TEXTS } else { MOST_UNPACKED };
        let (mut unpacked, mut chunk) = (0u64, [0; 16 << 10]);
        // So that a word across two chunks is seen.
        let mut seen: Vec<u8> = Vec::new();
        loop {
            let got = part.read(&mut chunk).map_err(|e| bad(&e))?;
            if got == 0 {
                break;
            }
            unpacked += got as u64;
            if unpacked > most || (unpacked > LARGE && unpacked / packed > MOST_RATIO) {
                return Err(format!(
                    "{name} in it unpacks to more than {} MiB: not a rate deck",
                    (unpacked >> 20).max(1)
                ));
            }
            if texts {
                seen.drain(..seen.len().saturating_sub(64));
                seen.extend_from_slice(&chunk[..got]);
                promised(&seen).map_err(|n| format!("{name} in it promises {n} texts"))?;
            }
        }
    }
    Ok(())
}

/// The reader makes room for as many texts as the file promises; it may promise what could be there.
fn promised(xml: &[u8]) -> Result<(), String> {
    const WORD: &[u8] = b"uniqueCount";
    let mut rest = xml;
    while let Some(at) = rest.windows(WORD.len()).position(|word| word == WORD) {
        rest = &rest[at + WORD.len()..];
        let digits =
            rest.iter().skip_while(|b| !b.is_ascii_digit()).take_while(|b| b.is_ascii_digit());
        if digits.clone().count() > 7 {
            return Err(digits.take(20).map(|&b| char::from(b)).collect());
        }
    }
    Ok(())
}

fn cells(
    path: &Path,
    bytes: Vec<u8>,
    sheet: Option<&str>,
    each: Each<'_>,
) -> Result<(), ImportError> {
    let bad = |e: calamine::XlsxError| ImportError::file(path, e);
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(bad)?;
    let names = book.sheet_names();
    let name = match sheet {
        Some(name) => names.iter().find(|n| n.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let all = names.join(", ");
            ImportError::Usage(format!("no sheet \"{name}\" in {}: {all}", path.display()))
        })?,
        None => {
            names.first().ok_or_else(|| ImportError::file(path, "a workbook without sheets"))?
        }
    };
    let mut reader = book.worksheet_cells_reader(name).map_err(bad)?;
    // Column numbers are the spreadsheet's, so empty cells are kept; row numbers too.
    let mut row: Vec<String> = Vec::new();
    let mut number = 0u64;
    while let Some(cell) = reader.next_cell().map_err(bad)? {
        let (at, column) = cell.get_position();
        if u64::from(at) + 1 != number {
            if !row.is_empty() {
                each(number, &row)?;
            }
            row.clear();
            number = u64::from(at) + 1;
        }
        let (text, column) = (text(cell.get_value()), column as usize);
        if !text.is_empty() && column < MOST_CELLS {
            if row.len() <= column {
                row.resize(column + 1, String::new());
            }
            row[column] = text;
        }
    }
    if !row.is_empty() {
        each(number, &row)?;
    }
    Ok(())
}

/// A cell as it would stand in a CSV file.
fn text(cell: &DataRef<'_>) -> String {
    match cell {
        DataRef::Empty => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            one_line(text)
        }
        DataRef::SharedString(text) => one_line(text),
        DataRef::Int(n) => n.to_string(),
        DataRef::Float(n) => number(*n),
        DataRef::Bool(yes) => yes.to_string(),
        // Excel has no days before its first: such a cell is a number in a date's clothes.
        DataRef::DateTime(at) if at.is_datetime() && at.as_f64() >= 1.0 => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
        }
        DataRef::DateTime(at) => number(at.as_f64()),
        DataRef::Error(error) => format!("#{error:?}"),
    }
}

/// Names are broken to fit a column; in a text that would be a quote left open.
fn one_line(text: &str) -> String {
    text.trim().replace("\r\n", " ").replace(['\r', '\n'], " ")
}

/// A workbook keeps numbers as binary fractions, good for 15 decimal digits; those are what Excel
/// shows and what the carrier typed. Nothing is rounded that anybody wrote.
fn number(value: f64) -> String {
    let text = format!("{value:.14e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    let Ok(exponent) = exponent.parse::<i32>() else { return text };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return "0".to_owned();
    }
    let point = exponent + 1;
    if point <= 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
    }
    let point = point as usize;
    if digits.len() <= point {
        format!("{sign}{digits}{}", "0".repeat(point - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..point], &digits[point..])
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A workbook of these parts, and whatever else one needs.
    pub(in crate::import) fn packed(parts: &[(&str, &[u8])]) -> Vec<u8> {
        const RELS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;
        const BOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Rates" sheetId="1" r:id="r1"/></sheets></workbook>"#;
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        const ROOT: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r0" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
        let usual = [
            ("_rels/.rels", ROOT.as_bytes()),
            ("xl/_rels/workbook.xml.rels", RELS.as_bytes()),
            ("xl/workbook.xml", BOOK.as_bytes()),
        ];
        for (name, bytes) in usual.iter().chain(parts) {
            zip.start_file(*name, options).expect("a part");
            zip.write_all(bytes).expect("in memory");
        }
        zip.finish().expect("a workbook").into_inner()
    }

    fn sheet(rows: &str) -> Vec<u8> {
        format!("<worksheet><sheetData>{rows}</sheetData></worksheet>").into_bytes()
    }

    fn read(bytes: Vec<u8>) -> Result<Vec<(u64, Vec<String>)>, ImportError> {
        let mut all = Vec::new();
        workbook(Path::new("deck.xlsx"), bytes, None, &mut |row, cells| {
            all.push((row, cells.to_vec()));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn a_day_before_the_first_is_no_day() {
        let cell = |value| {
            let kind = calamine::ExcelDateTimeType::DateTime;
            text(&DataRef::DateTime(calamine::ExcelDateTime::new(value, kind, false)))
        };
        assert_eq!(cell(46_054.5), "2026-02-01 12:00:00");
        assert_eq!((cell(-5.0).as_str(), cell(0.5).as_str()), ("-5", "0.5"));
    }

    #[test]
    fn cells_in_far_corners_take_no_room() {
        let rows = r#"<row r="2"><c r="B2"><v>44</v></c><c r="XFD2"><v>1</v></c></row>
            <row r="1048576"><c r="A1048576" t="inlineStr"><is><t>end</t></is></c></row>"#;
        let all = read(packed(&[("xl/worksheets/sheet1.xml", &sheet(rows))])).expect("reads");
        let row = |cells: &[&str]| cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        assert_eq!(all, [(2, row(&["", "44"])), (1_048_576, row(&["end"]))]);
    }

    #[test]
    fn bombs_are_refused_before_they_go_off() {
        let flat = vec![b' '; 64 << 20];
        let text = |count: &str| {
            format!("<sst uniqueCount = \"{count}\"><si><t>44</t></si></sst>").into_bytes()
        };
        let one = sheet(r#"<row r="1"><c r="A1" t="s"><v>0</v></c></row>"#);
        for (parts, reason) in [
            (
                vec![("xl/worksheets/sheet1.xml", &flat[..])],
                "sheet1.xml in it unpacks to more than",
            ),
            (vec![("xl/media/photo.png", &flat[..])], "photo.png in it unpacks to more than"),
            (
                vec![
                    ("xl/worksheets/sheet1.xml", &one[..]),
                    ("xl/sharedStrings.xml", &text("99999999999")),
                ],
                "promises 99999999999 texts",
            ),
        ] {
            let error = read(packed(&parts)).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        }
        let parts = [("xl/worksheets/sheet1.xml", &one[..]), ("xl/sharedStrings.xml", &text("1"))];
        assert_eq!(read(packed(&parts)).expect("reads"), [(1, vec!["44".to_owned()])]);
        // Cut anywhere it is said to be damaged.
        let whole = packed(&parts);
        for cut in (4..whole.len()).step_by(7) {
            let error = read(whole[..cut].to_vec()).expect_err("cut").to_string();
            assert!(error.contains("deck.xlsx: "), "{error}");
        }
    }

    #[test]
    fn numbers_of_a_workbook_are_what_excel_shows() {
        for (value, text) in [
            (0.0125, "0.0125"),
            (0.1 + 0.2, "0.3"),
            (4477.0, "4477"),
            (447_700_900_123.0, "447700900123"),
            (0.000_001, "0.000001"),
            (1.0e-9, "0.000000001"),
            (-1.5, "-1.5"),
            (0.0, "0"),
            (0.333_333_333_333_333_3, "0.333333333333333"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
