//! A file of rows: CSV in the shapes that spreadsheets write, and XLSX.

use std::io::Read as _;
use std::path::Path;

use super::ImportError;
use super::workbook::workbook;

/// Larger files are not decks: eight million rows fit.
const MOST_BYTES: u64 = 512 << 20;

/// Cells of a row that are looked at. What stands further right is no column of a deck.
pub(super) const MOST_CELLS: usize = 1024;

/// Signs between cells in one line; more would only fill memory.
const MOST_SIGNS: usize = 100_000;

/// Told of each row: its number and its cells.
pub type Each<'a> = &'a mut dyn FnMut(u64, &[String]) -> Result<(), ImportError>;

/// Reads every row, with its number as a spreadsheet shows it, from 1. `delimiter` is for CSV; where
/// none is given, the sign that the first lines are full of. `sheet` is for XLSX; the first where
/// none is given.
///
/// # Errors
/// [`ImportError::File`], or what `each` gives.
pub fn rows(
    path: &Path,
    delimiter: Option<u8>,
    sheet: Option<&str>,
    each: Each<'_>,
) -> Result<(), ImportError> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MOST_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| ImportError::file(path, e))?;
    } else {
        let file = std::fs::File::open(path)
            .map_err(|e| ImportError::Usage(format!("cannot read {}: {e}", path.display())))?;
        let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|e| ImportError::file(path, e))?;
    }
    if bytes.len() as u64 > MOST_BYTES {
        let reason = format!("larger than {} MiB: not a rate deck", MOST_BYTES >> 20);
        return Err(ImportError::file(path, reason));
    }
    rows_of(path, bytes, delimiter, sheet, each)
}

/// As [`rows`], of what has been read already; `path` is for messages.
///
/// # Errors
/// [`ImportError::File`], or what `each` gives.
pub fn rows_of(
    path: &Path,
    bytes: Vec<u8>,
    delimiter: Option<u8>,
    sheet: Option<&str>,
    each: Each<'_>,
) -> Result<(), ImportError> {
    if bytes.starts_with(b"PK\x03\x04") {
        return workbook(path, bytes, sheet, each);
    }
    if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        let reason = "an old Excel workbook (.xls): save it as .xlsx or .csv";
        return Err(ImportError::file(path, reason));
    }
    csv(path, &plain(path, bytes)?, delimiter, each)
}

/// Without a byte order mark, and as UTF-8 where Excel's "Unicode text" is UTF-16.
fn plain(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, ImportError> {
    let wide: fn([u8; 2]) -> u16 = match bytes.as_slice() {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return Ok(rest.to_vec()),
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        _ if bytes.contains(&0) => {
            return Err(ImportError::file(path, "neither text nor a workbook"));
        }
        _ => return Ok(bytes),
    };
    let units = bytes[2..].as_chunks::<2>().0.iter().map(|pair| wide(*pair));
    char::decode_utf16(units)
        .collect::<Result<String, _>>()
        .map(String::into_bytes)
        .map_err(|_| ImportError::file(path, "damaged UTF-16"))
}

fn csv(
    path: &Path,
    bytes: &[u8],
    delimiter: Option<u8>,
    each: Each<'_>,
) -> Result<(), ImportError> {
    let delimiter = delimiter.unwrap_or_else(|| guess_delimiter(bytes));
    let signs = |line: &[u8]| line.iter().filter(|b| **b == delimiter).count();
    if let Some(at) = bytes.split(|b| *b == b'\n').position(|line| signs(line) > MOST_SIGNS) {
        let reason = format!("line {} has more than {MOST_SIGNS} cells: not a rate deck", at + 1);
        return Err(ImportError::file(path, reason));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut cells: Vec<String> = Vec::new();
    // Rows are told by line, as an editor and (but for quoted line breaks) a spreadsheet show them.
    let (mut counted, mut line) = (0, 1u64);
    while reader.read_byte_record(&mut record).map_err(|e| ImportError::file(path, e))? {
        let mut from = record.position().map_or(0, |at| at.byte() as usize).min(bytes.len());
        // Ends of the line before, and blank lines.
        from += bytes[from..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        line += line_ends(&bytes[counted..from]);
        counted = from;
        cells.resize_with(record.len().min(MOST_CELLS), String::new);
        for (cell, field) in cells.iter_mut().zip(&record) {
            cell.clear();
            match std::str::from_utf8(field) {
                Ok(text) => cell.push_str(text.trim()),
                // Windows writes names such as "Côte d'Ivoire" in its own way; codes and prices are
                // the same in every alphabet.
                Err(_) => cell.extend(field.iter().map(|&b| char::from(b))),
            }
        }
        each(line, &cells)?;
    }
    Ok(())
}

/// LF, CR LF, or the CR of old machines.
fn line_ends(bytes: &[u8]) -> u64 {
    let alone = |at: usize| bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    (0..bytes.len()).filter(|&at| bytes[at] == b'\n' || alone(at)).count() as u64
}

/// Of `,` `;` tab and `|` the one that stands most often outside quotes in the first lines.
fn guess_delimiter(bytes: &[u8]) -> u8 {
    let mut counts = [(0usize, b','), (0, b';'), (0, b'\t'), (0, b'|')];
    let mut quoted = false;
    for &byte in &bytes[..bytes.len().min(4096)] {
        quoted ^= byte == b'"';
        if !quoted && let Some(count) = counts.iter_mut().find(|(_, sign)| *sign == byte) {
            count.0 += 1;
        }
    }
    // Lists of codes hold signs too, so one that is there in every line counts for more: columns
    // outnumber codes in any deck that has a header.
    let lines: Vec<&[u8]> =
        bytes[..bytes.len().min(4096)].split(|b| *b == b'\n').take(10).collect();
    let whole = &lines[..lines.len().saturating_sub(1).max(1)];
    for (count, sign) in &mut counts {
        let filled = whole.iter().filter(|l| !l.trim_ascii().is_empty());
        let least =
            filled.map(|line| line.iter().filter(|b| *b == sign).count()).min().unwrap_or(0);
        *count += 1_000_000 * least;
    }
    counts.iter().max_by_key(|(count, _)| *count).filter(|(n, _)| *n > 0).map_or(b',', |(_, s)| *s)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], delimiter: Option<u8>) -> Result<Vec<(u64, Vec<String>)>, ImportError> {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("deck");
        std::fs::write(&path, bytes).expect("writes");
        let mut all = Vec::new();
        rows(&path, delimiter, None, &mut |row, cells| {
            all.push((row, cells.to_vec()));
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn spreadsheets_write_csv_in_many_ways() {
        for bytes in [
            &b"Code,Name\n44,UK\n"[..],
            b"\xEF\xBB\xBFCode,Name\r\n44,UK\r\n",
            b"Code;Name\r\n44;UK",
            b"Code\tName\n44\tUK",
            b"\"Code\"|\"Name\"\n\"44\"|\"UK\"\n",
            b"\xFF\xFEC\0o\0d\0e\0,\0N\0a\0m\0e\0\n\x004\x004\0,\0U\0K\0",
            b"\xFE\xFF\0C\0o\0d\0e\0,\0N\0a\0m\0e\0\n\x004\x004\0,\0U\0K",
        ] {
            let rows = read(bytes, None).expect("reads");
            assert_eq!(rows[0], (1, vec!["Code".to_owned(), "Name".to_owned()]), "{bytes:?}");
            assert_eq!(rows[1], (2, vec!["44".to_owned(), "UK".to_owned()]), "{bytes:?}");
        }
        let rows = read(b"a;b;c\n\n4477,4478,4479;x;1\n", None).expect("reads");
        assert_eq!(rows[1], (3, ["4477,4478,4479", "x", "1"].map(str::to_owned).to_vec()));
        let rows =
            read(b"a,b\n\"4477,4478\",\"say \"\"ho\"\"\nthere\"\n1,2\n", None).expect("reads");
        assert_eq!(rows[1].1, ["4477,4478", "say \"ho\"\nthere"]);
        assert_eq!(rows[2].0, 4);
        let rows = read(b"1,C\xF4te d'Ivoire\n", None).expect("reads");
        assert_eq!(rows[0].1[1], "C\u{f4}te d'Ivoire");
        let rows = read(b"a:b\n1:2\n", Some(b':')).expect("reads");
        assert_eq!(rows[1].1, ["1", "2"]);
    }

    #[test]
    fn what_is_no_deck_is_said() {
        for (bytes, reason) in [
            (&b"\xD0\xCF\x11\xE0\0\0"[..], "save it as"),
            (b"PK\x03\x04 and no more", "deck"),
            (b"\x7fELF\0\0", "neither text"),
            (b"\xFF\xFE\x00\xD8\x41\x00", "damaged"),
        ] {
            let error = read(bytes, None).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(read(b"", None).expect("empty").is_empty());
        let many = [b"code,rate\n44,1\n", &b",".repeat(MOST_SIGNS + 1)[..]].concat();
        let error = read(&many, None).expect_err("cells").to_string();
        assert!(error.contains("line 3 has more than 100000 cells"), "{error}");
        let wide = [b"44", &b",1".repeat(2 * MOST_CELLS)[..]].concat();
        assert_eq!(read(&wide, None).expect("wide")[0].1.len(), MOST_CELLS);
    }
}
