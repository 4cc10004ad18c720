//! Which tables and columns there are, and which there should be.
//!
//! The owner's database has the nine tables; fsx adds columns and tables. Nothing demands the
//! additions: what is missing reads as its default. So whoever reads asks [`Schema`] first.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conn, DbError, migrate};

/// A table of the LCR database.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Routing cannot go without it.
    pub essential: bool,
    /// Columns that it cannot be read without.
    pub required: &'static [&'static str],
    /// Columns that have a default where they are missing.
    pub optional: &'static [&'static str],
    /// Order that makes two engines give rows alike: its primary key.
    pub order: &'static str,
}

const fn table(
    name: &'static str,
    essential: bool,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    order: &'static str,
) -> Table {
    Table { name, essential, required, optional, order }
}

/// Every table that fsx reads, the owner's nine first.
#[rustfmt::skip] // One table, one row.
pub const TABLES: &[Table] = &[
    table("Carriers", true, &["ID", "CarrierName"],
        &["Enabled", "Type", "ClosedLoopCarrier", "PrivateServicesCarrier"], "ID"),
    table("Bands", true, &["ID", "CarrierID"],
        &["BandName", "Type", "CountryCode", "Enabled"], "ID"),
    table("Numbers", true, &["ID", "Number", "BandID"], &["Enabled", "OrgID"], "ID"),
    table("LCRRates", true, &["ID", "BandID", "Rate", "Currency"],
        &["Setup", "Period", "Start", "Enabled", "FormatNumber", "FormatCLI", "ABandID",
          "InitialIncrement", "NextIncrement"], "ID"),
    table("CarrierGateway", true, &["ID", "CarrierID"],
        &["Enabled", "Prefix", "Suffix", "ChannelVars", "PrivacyClass", "PCIZone", "ConcCalls",
          "Reliability", "PingGateway", "DataCentre", "CarrierGroup",
          "DialString", "Weight", "MaxCPS", "StopCauses"], "ID"),
    table("CarrierGatewayHealth", false, &["ID", "DataCentre", "Healthy"], &["LastUpdate"],
        "ID, DataCentre"),
    table("Overrides", false, &["ID", "CarrierID", "Action"],
        &["OrgID", "Prefix", "Priority", "Enabled"], "ID"),
    table("ClosedLoopCarriers", false, &["OrgID", "CarrierID"], &[], "OrgID, CarrierID"),
    table("Formats", false, &["Name", "Pattern", "Replacement"], &["ID", "Sequence"],
        "Name, Sequence"),
    table("Periods", false, &["Name"], &["TimeZone", "Days", "StartTime", "EndTime"],
        "Name, StartTime"),
    table("FxRates", false, &["Currency", "Rate"], &["AsOf"], "Currency"),
    table("Orgs", false, &["OrgID"],
        &["HomeCountry", "CallCostLimit", "DataCentre", "Profile", "RetailCarrierID", "MarginAbs",
          "MarginRel", "AllowedLoss"], "OrgID"),
    table("WholesaleCallCostCache", false, &["OrgID", "Cost"], &["Time"], "OrgID"),
    table("DiallingRules", false, &["ID", "Pattern"], &["OrgID", "Action", "Reason", "Enabled"],
        "ID"),
    table("EmergencyNumbers", false, &["Country", "Number"], &[], "Country, Number"),
    table("EmergencyGateways", false, &["Country", "GatewayID"], &["Priority"],
        "Country, Priority, GatewayID"),
    table("NormaliseRules", false, &["Country", "Pattern", "Replacement"], &["Sequence"],
        "Country, Sequence"),
];

impl Table {
    /// The table of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|t| t.name == name)
    }
}

/// The tables and columns that a database really has, in small letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema(BTreeMap<String, BTreeSet<String>>);

impl Schema {
    /// Asks the database.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn read(conn: &mut Conn) -> Result<Self, DbError> {
        let sql = if conn.is_sqlite() {
            "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type IN ('table', 'view')"
        } else {
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = DATABASE()"
        };
        let mut found = Self::default();
        for row in conn.rows("list tables", sql, 2).await? {
            if let [Some(table), Some(column)] = row.as_slice() {
                let columns = found.0.entry(table.to_ascii_lowercase()).or_default();
                columns.insert(column.to_ascii_lowercase());
            }
        }
        Ok(found)
    }

    /// Whether the table is there.
    #[must_use]
    pub fn has_table(&self, table: &str) -> bool {
        self.0.contains_key(&table.to_ascii_lowercase())
    }

    /// Whether the column is there.
    #[must_use]
    pub fn has(&self, table: &str, column: &str) -> bool {
        self.0
            .get(&table.to_ascii_lowercase())
            .is_some_and(|columns| columns.contains(&column.to_ascii_lowercase()))
    }

    /// The first required column that `table` lacks.
    #[must_use]
    pub fn lacks(&self, table: &Table) -> Option<&'static str> {
        table.required.iter().copied().find(|column| !self.has(table.name, column))
    }

    /// Whether the table can be read.
    #[must_use]
    pub fn readable(&self, table: &Table) -> bool {
        self.lacks(table).is_none()
    }
}

/// One thing that [`check`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The database cannot be routed from.
    pub fatal: bool,
    /// A table or column is not there and reads as its default.
    pub of_structure: bool,
    /// One line.
    pub line: String,
}

/// Looks a database over without changing it: what is missing, and what that means.
///
/// # Errors
/// [`DbError`] where it cannot even be asked.
pub async fn check(conn: &mut Conn) -> Result<Vec<Finding>, DbError> {
    let schema = Schema::read(conn).await?;
    let mut findings = Vec::new();
    let mut say = |fatal, line: String| {
        findings.push(Finding { fatal, of_structure: !fatal, line });
    };
    for table in TABLES {
        if !schema.has_table(table.name) {
            let what = if table.essential { "nothing routes without it" } else { "none are used" };
            say(table.essential, format!("table {} is missing: {what}", table.name));
            continue;
        }
        if let Some(column) = schema.lacks(table) {
            let what = if table.essential { "nothing routes without it" } else { "not read" };
            say(table.essential, format!("table {} has no column {column}: {what}", table.name));
            continue;
        }
        for column in table.optional {
            if !schema.has(table.name, column) {
                say(false, format!("table {} has no column {column}: default", table.name));
            }
        }
    }
    match migrate::version(conn, &schema).await? {
        Some(found) if found > migrate::VERSION => {
            return Err(DbError::TooNew { found, known: migrate::VERSION });
        }
        Some(found) if found < migrate::VERSION => findings.push(Finding {
            fatal: false,
            of_structure: false,
            line: format!(
                "tables are at version {found}, this release's at {}: run `fsxinetd db migrate`",
                migrate::VERSION
            ),
        }),
        Some(_) => {}
        None => findings.push(Finding {
            fatal: false,
            of_structure: false,
            line: "tables were not made by fsx; `fsxinetd db migrate` would complete them".into(),
        }),
    }
    Ok(findings)
}
