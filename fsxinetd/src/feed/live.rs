//! What changes between builds: gateway health and spend, from their tables into the live table.

use std::collections::{BTreeMap, BTreeSet};

use fsx_core::Nano;
use fsx_core::data::LiveView;
use fsx_live::LiveTable;

use super::text::{instant, money, whole, words, yes};
use crate::db::{Conn, DbError, Schema, Table};

/// What the tables said last, so that what they no longer say is forgotten.
#[derive(Debug, Default)]
pub(super) struct LiveRows {
    health: BTreeMap<(u32, String), bool>,
    spend: BTreeMap<u32, Nano>,
    begun: bool,
}

impl LiveRows {
    /// Whether both tables can be read.
    pub(super) fn has_all(schema: &Schema) -> bool {
        readable(schema, HEALTH) && readable(schema, SPEND)
    }

    /// Reads both tables and brings the live table to what they say. Gives what is wrong with rows,
    /// in words.
    pub(super) async fn refresh(
        &mut self,
        conn: &mut Conn,
        schema: &Schema,
        live: &LiveTable,
    ) -> Result<Vec<String>, DbError> {
        let mut wrong = Vec::new();
        let health = read_health(conn, schema, &mut wrong).await?;
        let spend = read_spend(conn, schema, &mut wrong).await?;
        if !readable(schema, SPEND) && !self.spend.is_empty() {
            wrong.push(format!("{SPEND} is not there any more, or not ours to see: spend stays"));
        } else {
            self.spend(spend, live, &mut wrong);
        }
        // Also what an earlier run was told stays, where the table cannot be read from the start.
        if !readable(schema, HEALTH) {
            if !self.health.is_empty() || !self.begun && !live.health().is_empty() {
                wrong.push(format!("{HEALTH} is not there, or not ours to see: health stays"));
            }
        } else {
            self.health(health, live, &mut wrong);
        }
        Ok(wrong)
    }

    fn health(
        &mut self,
        health: BTreeMap<(u32, String), bool>,
        live: &LiveTable,
        wrong: &mut Vec<String>,
    ) {
        if !self.begun {
            // A table left by an earlier run may know gateways that the database has forgotten.
            for row in live.health() {
                self.health.insert((row.gateway_id, row.data_centre), row.healthy);
            }
            self.begun = true;
        }
        for (id, data_centre) in self.health.keys() {
            if !health.contains_key(&(*id, data_centre.clone())) {
                live.forget_health(*id, data_centre);
            }
        }
        for ((id, data_centre), healthy) in &health {
            if !live.set_healthy(*id, data_centre, *healthy) && !healthy {
                wrong.push(format!(
                    "health of gateway {id} in \"{data_centre}\" cannot be kept: no room, or no name"
                ));
            }
        }
        self.health = health;
    }

    fn spend(
        &mut self,
        spend: BTreeMap<u32, Option<Nano>>,
        live: &LiveTable,
        wrong: &mut Vec<String>,
    ) {
        let mut now = BTreeMap::new();
        for (org, cost) in spend {
            // One that cannot be read must not open a limit: the last that is known stays, and where none
            // is, every limit is reached.
            let known = || self.spend.get(&org).copied().or_else(|| live.spend(org));
            now.insert(org, cost.or_else(known).unwrap_or(Nano(i64::MAX)));
        }
        for org in self.spend.keys().filter(|org| !now.contains_key(org)) {
            live.forget_spend(*org);
        }
        for (org, cost) in &now {
            // What the switches have added since is not lost by being told the same again.
            if self.spend.get(org) != Some(cost) && !live.set_spend(*org, *cost) {
                wrong.push(format!("spend of organisation {org} cannot be kept: no room"));
            }
        }
        self.spend = now;
    }

    /// Gateways and organisations known, for the log.
    pub(super) fn len(&self) -> (usize, usize) {
        let gateways: BTreeSet<u32> = self.health.keys().map(|(id, _)| *id).collect();
        (gateways.len(), self.spend.len())
    }
}

/// Health and spend as the tables say now, for whoever asks without a live table.
#[derive(Clone, Debug, Default)]
pub struct TableLive {
    health: BTreeMap<(u32, String), bool>,
    spend: BTreeMap<u32, Nano>,
}

impl TableLive {
    /// Reads both tables; rows that make no sense are left out, but for a cost: then every limit is
    /// reached.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn read(conn: &mut Conn) -> Result<Self, DbError> {
        let schema = Schema::read(conn).await?;
        let mut wrong = Vec::new();
        Ok(Self {
            health: read_health(conn, &schema, &mut wrong).await?,
            spend: read_spend(conn, &schema, &mut wrong)
                .await?
                .into_iter()
                .map(|(org, cost)| (org, cost.unwrap_or(Nano(i64::MAX))))
                .collect(),
        })
    }
}

impl LiveView for TableLive {
    fn healthy(&self, gateway_id: u32, data_centre: &str) -> bool {
        self.health.get(&(gateway_id, data_centre.to_owned())).copied().unwrap_or(true)
    }
    fn calls_in_progress(&self, _: u32) -> u32 {
        0
    }
    fn calls_this_second(&self, _: u32, _: i64) -> u32 {
        0
    }
    fn spend(&self, org_id: u32) -> Option<Nano> {
        self.spend.get(&org_id).copied()
    }
}

/// The tables that are followed.
const HEALTH: &str = "CarrierGatewayHealth";
const SPEND: &str = "WholesaleCallCostCache";

fn readable(schema: &Schema, table: &str) -> bool {
    Table::named(table).is_some_and(|table| schema.readable(table))
}

async fn read_health(
    conn: &mut Conn,
    schema: &Schema,
    wrong: &mut Vec<String>,
) -> Result<BTreeMap<(u32, String), bool>, DbError> {
    let mut all = BTreeMap::new();
    if !readable(schema, HEALTH) {
        return Ok(all);
    }
    let sql = "SELECT ID, DataCentre, Healthy FROM CarrierGatewayHealth";
    for row in conn.rows("read CarrierGatewayHealth", &cast(conn, sql), 3).await? {
        let cell = |at: usize| row[at].as_deref().map(str::as_bytes);
        match whole(cell(0)) {
            Some(id) => {
                all.insert((id, words(cell(1))), yes(cell(2), true));
            }
            None => wrong.push(format!("CarrierGatewayHealth: bad ID \"{}\"", words(cell(0)))),
        }
    }
    Ok(all)
}

/// What each organisation has spent; `None` where a row of its own cannot be read.
async fn read_spend(
    conn: &mut Conn,
    schema: &Schema,
    wrong: &mut Vec<String>,
) -> Result<BTreeMap<u32, Option<Nano>>, DbError> {
    let mut newest: BTreeMap<u32, (i64, Nano)> = BTreeMap::new();
    // The latest row of each organisation that cannot be read; the end of time where that is its time.
    let mut unread: BTreeMap<u32, i64> = BTreeMap::new();
    if !readable(schema, SPEND) {
        return Ok(BTreeMap::new());
    }
    let time = if schema.has("WholesaleCallCostCache", "Time") { "Time" } else { "NULL" };
    let sql = format!("SELECT OrgID, Cost, {time} FROM WholesaleCallCostCache");
    for row in conn.rows("read WholesaleCallCostCache", &cast(conn, &sql), 3).await? {
        let cell = |at: usize| row[at].as_deref().map(str::as_bytes);
        let (org, cost) = (whole::<u32>(cell(0)), money(cell(1)));
        let at = instant(cell(2));
        let (Some(org), Ok(cost), Ok(at)) = (org, cost, &at) else {
            wrong.push(format!(
                "WholesaleCallCostCache {}: bad Cost or Time (\"{}\", \"{}\")",
                words(cell(0)),
                words(cell(1)),
                words(cell(2))
            ));
            if let Some(org) = org {
                let latest = unread.entry(org).or_insert(i64::MIN);
                *latest = (*latest).max(at.unwrap_or(i64::MAX));
            }
            continue;
        };
        // Where the table keeps a history the latest row is the sum so far.
        let seen = newest.entry(org).or_insert((*at, cost));
        *seen = (*seen).max((*at, cost));
    }
    // One that is older than what can be read is of no interest.
    unread.retain(|org, at| newest.get(org).is_none_or(|(good, _)| *at >= *good));
    let newest = newest.into_iter().map(|(org, (_, cost))| (org, Some(cost)));
    Ok(newest.chain(unread.into_keys().map(|org| (org, None))).collect())
}

/// Every column as text, where the engine does not give it so by itself.
fn cast(conn: &Conn, sql: &str) -> String {
    let Some((columns, rest)) = sql.trim_start_matches("SELECT ").split_once(" FROM ") else {
        return sql.to_owned();
    };
    if !conn.is_sqlite() {
        return sql.to_owned();
    }
    let columns: Vec<String> =
        columns.split(", ").map(|column| format!("CAST({column} AS TEXT)")).collect();
    format!("SELECT {} FROM {rest}", columns.join(", "))
}
