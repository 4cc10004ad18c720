//! Which column is what: as told, and otherwise by the names that carriers give them.

use std::collections::BTreeMap;

/// What a column can be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Field {
    /// Codes.
    Code,
    /// Country code, put before each code.
    Country,
    /// Price per minute.
    Rate,
    /// Price per call.
    Setup,
    /// Name of the destination.
    Name,
    /// From when.
    Effective,
    /// New, increase, decrease, blocked, closed.
    Status,
    /// Both blocks: 60/1.
    Increment,
    /// First block.
    Initial,
    /// Following blocks.
    Next,
    /// Currency.
    Currency,
    /// Named period (Peak, Weekend …).
    Period,
}

/// Names as `--map` takes them, and headers by which a column is known without being told, in small
/// letters without anything but letters.
const FIELDS: &[(Field, &str, &[&str])] = &[
    (
        Field::Code,
        "code",
        &[
            "code",
            "codes",
            "dialcode",
            "dialcodes",
            "dialingcode",
            "diallingcode",
            "prefix",
            "prefixes",
            "dialprefix",
            "digits",
            "destinationcode",
            "areacode",
            "areacodes",
            "citycode",
            "citycodes",
            "number",
            "numbers",
            "breakout",
            "breakouts",
        ],
    ),
    (Field::Country, "country", &["countrycode", "cc"]),
    (
        Field::Rate,
        "rate",
        &[
            "rate",
            "price",
            "newrate",
            "newprice",
            "ratemin",
            "ratepermin",
            "rateperminute",
            "pricemin",
            "pricepermin",
            "priceperminute",
            "permin",
            "perminute",
            "costperminute",
            "peakrate",
            "buyrate",
            "ratepm",
        ],
    ),
    (
        Field::Setup,
        "setup",
        &[
            "setup",
            "setupfee",
            "setupcharge",
            "connect",
            "connectfee",
            "connectioncharge",
            "connectionfee",
            "connectcharge",
            "callsetup",
        ],
    ),
    (
        Field::Name,
        "name",
        &[
            "name",
            "destination",
            "destinationname",
            "description",
            "zone",
            "zonename",
            "location",
            "route",
            "areaname",
            "countryregion",
            "termination",
        ],
    ),
    (
        Field::Effective,
        "effective",
        &[
            "effective",
            "effectivedate",
            "effectivefrom",
            "effectivedatetime",
            "validfrom",
            "startdate",
            "datefrom",
            "start",
            "activationdate",
            "dateeffective",
        ],
    ),
    (
        Field::Status,
        "status",
        &[
            "status",
            "ratestatus",
            "change",
            "changetype",
            "changecode",
            "ratechange",
            "action",
            "codestatus",
            "comment",
            "comments",
        ],
    ),
    (
        Field::Increment,
        "increment",
        &[
            "increment",
            "increments",
            "billingincrement",
            "billingincrements",
            "billing",
            "rounding",
            "billingincr",
            "minincr",
            "mininc",
        ],
    ),
    (
        Field::Initial,
        "initial",
        &[
            "initial",
            "initialincrement",
            "firstincrement",
            "firstinterval",
            "intervalone",
            "minimumincrement",
            "minimum",
            "mintime",
        ],
    ),
    (
        Field::Next,
        "next",
        &[
            "next",
            "nextincrement",
            "nextinterval",
            "subsequentincrement",
            "secondincrement",
            "intervaln",
            "additionalincrement",
        ],
    ),
    (Field::Currency, "currency", &["currency", "curr", "cur"]),
    // Not guessed: a column of that name often says something else.
    (Field::Period, "period", &[]),
];

/// Statuses in a column of free comments are guessed last, so a `Status` column wins.
const WEAK: &[&str] = &["comment", "comments", "change", "action", "number", "numbers", "route"];

impl Field {
    /// As `--map` names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        FIELDS.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// By its name for `--map`.
    ///
    /// # Errors
    /// In words, with all names.
    pub fn named(name: &str) -> Result<Self, String> {
        let found = FIELDS.iter().find(|row| row.1.eq_ignore_ascii_case(name.trim()));
        found.map(|row| row.0).ok_or_else(|| {
            let all: Vec<_> = FIELDS.iter().map(|row| row.1).collect();
            format!("\"{name}\" is not one of {}", all.join(", "))
        })
    }
}

/// One `--map FIELD=COLUMN`.
#[derive(Clone, Debug)]
pub struct Told {
    field: Field,
    column: String,
}

impl std::str::FromStr for Told {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, column) = text
            .split_once('=')
            .ok_or_else(|| "expected FIELD=COLUMN, as in code=Dialcode".to_owned())?;
        Ok(Self { field: Field::named(field)?, column: column.trim().to_owned() })
    }
}

/// The columns of a deck.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    places: BTreeMap<Field, usize>,
    /// Header of each column that is used.
    headers: BTreeMap<Field, String>,
    /// Headers of those that are not.
    pub unused: Vec<String>,
    /// The row that the headers stand in; 0 where there are none.
    pub header_row: u64,
}

impl Columns {
    /// Columns by number alone, for a deck without headers.
    ///
    /// # Errors
    /// In words.
    pub fn numbered(told: &[Told]) -> Result<Self, String> {
        let mut columns = Self::default();
        for told in told {
            let at = number(&told.column).ok_or_else(|| {
                format!("without headers, columns have numbers from 1: \"{}\"", told.column)
            })?;
            columns.put(told.field, at, format!("column {}", at + 1))?;
        }
        match columns.missing() {
            Some(field) => Err(format!("which column is the {0}? --map {0}=NUMBER", field.name())),
            None => Ok(columns),
        }
    }

    /// Reads a row as headers; `None` where it is not the row of headers.
    ///
    /// # Errors
    /// In words, where what was told contradicts itself.
    pub fn from_header(row: u64, cells: &[String], told: &[Told]) -> Result<Option<Self>, String> {
        let mut columns = Self { header_row: row, ..Self::default() };
        let plain: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
        for told in told {
            let by_name = cells.iter().position(|cell| cell.eq_ignore_ascii_case(&told.column));
            let Some(at) = by_name.or_else(|| number(&told.column)).filter(|at| *at < cells.len())
            else {
                return Ok(None);
            };
            columns.put(told.field, at, cells[at].clone())?;
        }
        for weak in [false, true] {
            for (field, _, names) in FIELDS {
                if columns.places.contains_key(field) {
                    continue;
                }
                let free = |at: &usize| !columns.places.values().any(|used| used == at);
                let known = |at: &usize| {
                    names.contains(&plain[*at].as_str())
                        && (weak || !WEAK.contains(&plain[*at].as_str()))
                };
                if let Some(at) = (0..cells.len()).find(|at| free(at) && known(at)) {
                    columns.put(*field, at, cells[at].clone())?;
                }
            }
        }
        if columns.missing().is_some() {
            return Ok(None);
        }
        // A row of data is no header, whatever was told by number.
        let rate = columns.places[&Field::Rate];
        if cells[rate].chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',')) {
            return Ok(None);
        }
        let used: Vec<usize> = columns.places.values().copied().collect();
        columns.unused = (0..cells.len())
            .filter(|at| !used.contains(at) && !cells[*at].is_empty())
            .map(|at| cells[at].clone())
            .collect();
        Ok(Some(columns))
    }

    /// What was told and is not in this row, where some of it is: as `--map` had it.
    #[must_use]
    pub fn not_in(cells: &[String], told: &[Told]) -> Vec<String> {
        let has = |told: &&Told| cells.iter().any(|c| c.eq_ignore_ascii_case(&told.column));
        let by_name = || told.iter().filter(|told| number(&told.column).is_none());
        if !by_name().any(|told| has(&told)) {
            return vec![];
        }
        let absent = by_name().filter(|told| !has(told));
        absent.map(|told| format!("{}={}", told.field.name(), told.column)).collect()
    }

    fn put(&mut self, field: Field, at: usize, header: String) -> Result<(), String> {
        if self.places.insert(field, at).is_some() {
            return Err(format!("--map names {} twice", field.name()));
        }
        self.headers.insert(field, header);
        Ok(())
    }

    fn missing(&self) -> Option<Field> {
        [Field::Code, Field::Rate].into_iter().find(|field| !self.places.contains_key(field))
    }

    /// The cell of a field; empty where the row or the deck has none.
    #[must_use]
    pub fn cell<'a>(&self, field: Field, cells: &'a [String]) -> &'a str {
        self.places.get(&field).and_then(|at| cells.get(*at)).map_or("", String::as_str)
    }

    /// Whether the deck has the column.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.places.contains_key(&field)
    }

    /// Field and header of every column that is used.
    pub fn used(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(field, header)| (field.name(), header.as_str()))
    }
}

fn number(text: &str) -> Option<usize> {
    text.parse::<usize>().ok().and_then(|n| n.checked_sub(1))
}

/// Small letters only, without what stands in brackets: `Rate (USD/min)` is `rate`.
fn plain(header: &str) -> String {
    let header = header.split('(').next().unwrap_or_default();
    header.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Vec<String> {
        text.split('|').map(str::to_owned).collect()
    }

    fn used(header: &str, told: &[&str]) -> Option<String> {
        let told: Vec<Told> = told.iter().map(|t| t.parse().expect("well told")).collect();
        let columns = Columns::from_header(1, &cells(header), &told).expect("no clash")?;
        Some(columns.used().map(|(f, h)| format!("{f}={h}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let told = |words: &[&str]| -> Vec<Told> {
            words.iter().map(|t| t.parse().expect("well told")).collect()
        };
        let row = cells("Code|Name|Price");
        assert_eq!(Columns::not_in(&row, &told(&["code=Code", "rate=Nope"])), ["rate=Nope"]);
        assert!(Columns::not_in(&row, &told(&["code=code", "rate=PRICE"])).is_empty());
        // Nothing of it: a row before the headers. Columns by number are in none.
        assert!(Columns::not_in(&row, &told(&["code=A", "rate=B"])).is_empty());
        assert!(Columns::not_in(&row, &told(&["code=1", "rate=Price"])).is_empty());
    }

    #[test]
    fn headers_that_carriers_use() {
        for (header, expected) in [
            (
                "Destination|Dial Codes|Rate (USD/min)",
                "code=Dial Codes rate=Rate (USD/min) name=Destination",
            ),
            (
                "PREFIX|price_per_minute|Effective Date",
                "code=PREFIX rate=price_per_minute effective=Effective Date",
            ),
            (
                "Country Code|Area Codes|Price|Status|Comments",
                "code=Area Codes country=Country Code rate=Price status=Status",
            ),
            ("code|rate|Comments", "code=code rate=rate status=Comments"),
        ] {
            assert_eq!(used(header, &[]).as_deref(), Some(expected), "{header}");
        }
        assert_eq!(used("Rates of November|", &[]), None);
        assert_eq!(used("44|0.01", &["code=1", "rate=2"]), None);
        assert_eq!(
            used("Ziel|Vorwahl|Preis|Name", &["code=vorwahl", "rate=3", "name=Ziel"]).as_deref(),
            Some("code=Vorwahl rate=Preis name=Ziel")
        );
    }

    #[test]
    fn told_wrongly() {
        for (text, reason) in [("code", "FIELD=COLUMN"), ("price=x", "not one of code")] {
            let error = text.parse::<Told>().expect_err(text);
            assert!(error.contains(reason), "{error}");
        }
        let told = |texts: &[&str]| texts.iter().map(|t| t.parse().expect("t")).collect::<Vec<_>>();
        Columns::numbered(&told(&["code=1", "rate=2"])).expect("both");
        Columns::numbered(&told(&["code=1"])).expect_err("no rate");
        Columns::numbered(&told(&["code=Code", "rate=2"])).expect_err("a name");
        Columns::numbered(&told(&["code=1", "code=2", "rate=3"])).expect_err("twice");
    }
}
