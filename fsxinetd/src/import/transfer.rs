//! What another router's tables come to, and its place in ours.

use super::ImportError;
use super::apply::{self, Batch};
use super::deck::Deck;
use super::origins::Classes;
use super::state;
use crate::db::{Conn, quote};

/// A gateway of another router.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Put before the number.
    pub prefix: String,
    /// Put after it.
    pub suffix: String,
    /// `name=value`, comma-separated.
    pub channel_vars: String,
    /// The dial string's template.
    pub dial_string: String,
    /// Its share among the carrier's gateways; 0 is none.
    pub weight: u32,
    /// It is used.
    pub enabled: bool,
}

/// A carrier of another router.
#[derive(Clone, Debug, Default)]
pub struct Carrier {
    /// Its name.
    pub name: String,
    /// Its gateways.
    pub gateways: Vec<Gateway>,
    /// Its prices.
    pub deck: Deck,
    /// `Overrides`: prefix, action, priority.
    pub overrides: Vec<(String, &'static str, i32)>,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Carriers, in order of their names.
    pub carriers: Vec<Carrier>,
    /// `Formats`: name, pattern, replacement.
    pub formats: Vec<(String, String, String)>,
    /// Bands of callers that some price is for.
    pub classes: Classes,
    /// Rows read.
    pub rows: u64,
    /// What could not be taken along, in words.
    pub notes: Vec<String>,
}

/// Carrier ID, name, whether it was made, prices.
pub type Placed = Vec<(u32, String, bool, Deck)>;

/// Makes carriers, gateways, formats and overrides that are not there, and hands back the prices. A
/// carrier that is there keeps the gateways that it has.
///
/// # Errors
/// [`ImportError::Db`]; the caller then rolls back.
pub async fn place(
    conn: &mut Conn,
    sources: Sources,
    notes: &mut Vec<String>,
) -> Result<Placed, ImportError> {
    let sqlite = conn.is_sqlite();
    notes.extend(sources.notes);
    for (name, pattern, replacement) in &sources.formats {
        let name = quote(sqlite, name);
        let there = format!("SELECT 1 FROM Formats WHERE Name = {name} LIMIT 1");
        if conn.rows("read Formats", &there, 1).await?.is_empty() {
            let (pattern, replacement) = (quote(sqlite, pattern), quote(sqlite, replacement));
            let sql = format!(
                "INSERT INTO Formats (Name, Sequence, Pattern, Replacement) VALUES \
                 ({name}, 1, {pattern}, {replacement})"
            );
            conn.execute("add to Formats", &sql).await?;
        }
    }
    let mut placed = Vec::new();
    for carrier in sources.carriers {
        let by_name = quote(sqlite, carrier.name.trim());
        let sql =
            state::select(conn, &["ID"], &format!("FROM Carriers WHERE CarrierName = {by_name}"));
        let rows = conn.rows("read Carriers", &sql, 1).await?;
        let there = rows.first().and_then(|r| r[0].as_deref()).and_then(|id| id.parse().ok());
        let (id, made) = match there {
            Some(id) => (id, false),
            None => (apply::carrier(conn, carrier.name.trim(), "route").await?, true),
        };
        let sql = format!("SELECT 1 FROM CarrierGateway WHERE CarrierID = {id} LIMIT 1");
        if conn.rows("read CarrierGateway", &sql, 1).await?.is_empty() {
            gateways(conn, id, &carrier.gateways).await?;
        } else {
            notes.push(format!("carrier {} keeps the gateways that it has", carrier.name));
        }
        let sql = format!("SELECT 1 FROM Overrides WHERE CarrierID = {id} LIMIT 1");
        if conn.rows("read Overrides", &sql, 1).await?.is_empty() {
            let mut batch = Batch::new(
                conn,
                "INSERT INTO Overrides (OrgID, Prefix, CarrierID, Action, Priority) VALUES ",
            );
            for (prefix, action, priority) in &carrier.overrides {
                batch.add(format_args!("0, '{prefix}', {id}, '{action}', {priority}")).await?;
            }
            batch.flush().await?;
        } else if !carrier.overrides.is_empty() {
            notes.push(format!("carrier {} keeps the overrides that it has", carrier.name));
        }
        placed.push((id, carrier.name, made, carrier.deck));
    }
    Ok(placed)
}

async fn gateways(conn: &mut Conn, carrier: u32, all: &[Gateway]) -> Result<(), ImportError> {
    let sqlite = conn.is_sqlite();
    let mut batch = Batch::new(
        conn,
        "INSERT INTO CarrierGateway (CarrierID, Enabled, Prefix, Suffix, ChannelVars, DialString, \
         Weight) VALUES ",
    );
    for gateway in all {
        let text = |text: &str| quote(sqlite, text);
        batch
            .add(format_args!(
                "{carrier}, '{}', {}, {}, {}, {}, {}",
                if gateway.enabled { "YES" } else { "NO" },
                text(&gateway.prefix),
                text(&gateway.suffix),
                text(&gateway.channel_vars),
                text(&gateway.dial_string),
                gateway.weight
            ))
            .await?;
    }
    batch.flush().await?;
    Ok(())
}
