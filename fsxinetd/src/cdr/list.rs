//! What `fsxinetd cdr list` shows.

use std::path::Path;

use fsx_wire::answer::rfc3339;
use fsx_wire::record::CallRecord;
use serde_json::{Value, json};
use sqlx::Row as _;

use super::store::{StoreError, open_read_only};

/// Which records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Of this organisation only.
    pub org: Option<u32>,
    /// The last so many; 0 is all.
    pub last: u32,
}

/// The records as they came, the first first.
///
/// # Errors
/// [`StoreError`].
pub async fn records(path: &Path, wanted: Wanted) -> Result<Vec<Value>, StoreError> {
    Ok(rows(path, wanted).await?.into_iter().map(|(_, body)| body).collect())
}

/// The same as text, one line a record.
///
/// # Errors
/// [`StoreError`].
pub async fn table(path: &Path, wanted: Wanted) -> Result<String, StoreError> {
    let rows = rows(path, wanted).await?;
    let mut out = format!(
        "{:<20}  {:>7}  {:<18}  {:<8}  {:>8}  {:<24}  {:<9}  {}\n",
        "started", "org", "called", "decision", "attempts", "cause", "state", "id"
    );
    for (state, body) in rows {
        let Ok(record) = serde_json::from_value::<CallRecord>(body) else { continue };
        out.push_str(&format!(
            "{:<20}  {:>7}  {:<18}  {:<8}  {:>8}  {:<24}  {:<9}  {}\n",
            rfc3339(record.started_ms.div_euclid(1_000)),
            record.facts.org,
            record.facts.called,
            record.decision,
            record.attempts.len(),
            record.cause_name,
            state,
            record.id
        ));
    }
    Ok(out)
}

async fn rows(path: &Path, wanted: Wanted) -> Result<Vec<(String, Value)>, StoreError> {
    let mut conn = open_read_only(path).await?;
    let last = if wanted.last == 0 { -1 } else { i64::from(wanted.last) };
    let rows = sqlx::query(
        "SELECT state, body FROM (SELECT seq, state, body FROM records
         WHERE ?1 IS NULL OR org = ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq",
    )
    .bind(wanted.org.map(i64::from))
    .bind(last)
    .fetch_all(&mut conn)
    .await?;
    rows.iter()
        .map(|row| {
            let body: String = row.try_get(1)?;
            let body = serde_json::from_str(&body).map_err(|e| StoreError::Failed {
                why: format!("a record that is no JSON: {e}"),
            })?;
            Ok((row.try_get(0)?, body))
        })
        .collect()
}

/// What will never be delivered: records that the receiver refused, and lines that are no record.
///
/// # Errors
/// [`StoreError`].
pub async fn dead(path: &Path) -> Result<Vec<Value>, StoreError> {
    let mut conn = open_read_only(path).await?;
    let mut out = Vec::new();
    let letters = sqlx::query("SELECT file, line, reason, body FROM dead_letters ORDER BY seq")
        .fetch_all(&mut conn)
        .await?;
    for row in letters {
        let body: Vec<u8> = row.try_get(3)?;
        out.push(json!({
            "file": row.try_get::<String, _>(0)?,
            "line": row.try_get::<i64, _>(1)?,
            "reason": row.try_get::<String, _>(2)?,
            "text": String::from_utf8_lossy(&body),
        }));
    }
    let refused =
        sqlx::query("SELECT id, last_error, body FROM records WHERE state = 'dead' ORDER BY seq")
            .fetch_all(&mut conn)
            .await?;
    for row in refused {
        out.push(json!({
            "id": row.try_get::<String, _>(0)?,
            "reason": row.try_get::<String, _>(1)?,
            "text": row.try_get::<String, _>(2)?,
        }));
    }
    Ok(out)
}
