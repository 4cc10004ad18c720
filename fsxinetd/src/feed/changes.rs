//! Has anything changed? Asked often, so it must cost next to nothing.
//!
//! The schema has no change stamps. What there is:
//! - SQLite counts commits by other connections (`PRAGMA data_version`): one page read. It says
//!   "something in the file", health included.
//! - MariaDB keeps `UPDATE_TIME` of each InnoDB table in memory: one small query, no scan. It is
//!   forgotten when the server restarts, which also ends our connection, and is exact to the second
//!   only, so a table that changed within the last two seconds counts as changed again next time. A table
//!   that was swapped for another brings that one's times, of which the time it was made is never
//!   forgotten.
//!
//! Both say "maybe" at worst: then everything is read once and its fingerprint compared with that of
//! the last build (see [`super::Read::fingerprint`]), and nothing is built where they are equal. A
//! new connection, and every hour, is a "maybe" as well, so that an engine that keeps no times is
//! merely slower to be believed.

use crate::db::{Conn, DbError};

use super::tables;

/// A mark of the state that the database was in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    mark: String,
    /// No change can have gone unseen in the second that the mark was taken in.
    settled: bool,
}

impl Stamp {
    /// Whether what was read at `earlier` may be out of date.
    pub(super) fn moved_since(&self, earlier: Option<&Self>) -> bool {
        earlier.is_none_or(|earlier| !earlier.settled || earlier.mark != self.mark)
    }
}

/// Takes the mark of a connection.
pub(super) async fn stamp(conn: &mut Conn) -> Result<Stamp, DbError> {
    if conn.is_sqlite() {
        let rows = conn.rows("look for changes", "PRAGMA data_version", 1).await?;
        let mark = rows.into_iter().flatten().flatten().collect();
        return Ok(Stamp { mark, settled: true });
    }
    let names: Vec<String> = tables::ALL.iter().map(|t| format!("'{}'", t.table)).collect();
    let sql = format!(
        "SELECT TABLE_NAME, CONCAT_WS('/', UPDATE_TIME, CREATE_TIME, AUTO_INCREMENT, DATA_LENGTH), \
         UPDATE_TIME >= NOW() - INTERVAL 2 SECOND \
         FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
         AND TABLE_NAME IN ({}) ORDER BY TABLE_NAME",
        names.join(", ")
    );
    let rows = conn.rows("look for changes", &sql, 3).await?;
    let mut stamp = Stamp { mark: String::new(), settled: true };
    for row in rows {
        if let [Some(table), time, fresh] = row.as_slice() {
            stamp.mark.push_str(table);
            stamp.mark.push_str(time.as_deref().unwrap_or("-"));
            stamp.settled &= fresh.as_deref() != Some("1");
        }
    }
    Ok(stamp)
}

/// Prepares a new connection for [`stamp`].
pub(super) async fn prepare(conn: &mut Conn) {
    if !conn.is_sqlite() {
        // MySQL 8 would answer from a day-old cache. MariaDB has no such cache and no such variable.
        let _ = conn
            .execute(
                "prepare to look for changes",
                "SET SESSION information_schema_stats_expiry = 0",
            )
            .await;
    }
}
