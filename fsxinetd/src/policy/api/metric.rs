//! `fsx.metric`: what a policy counts.

use mlua::{Error, Lua, Table};

use super::super::host::Current;
use super::{MetricAsk, MetricKind};

/// Longest name, in bytes.
const MAX_NAME: usize = 60;

/// Makes the table.
pub(super) fn install(lua: &Lua, current: &Current) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, kind) in [
        ("fsx.metric.count", MetricKind::Count),
        ("fsx.metric.gauge", MetricKind::Gauge),
        ("fsx.metric.observe", MetricKind::Observe),
    ] {
        let run = current.clone();
        let function = lua.create_function(move |lua, (metric, value): (String, Option<f64>)| {
            let run = run.enter(lua, name)?;
            let wrong = |why: &str| Error::runtime(format!("{name}: {why}"));
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            let named = metric.bytes().all(plain) && metric.starts_with(|c: char| c.is_ascii_lowercase());
            if !named || metric.len() > MAX_NAME {
                return Err(wrong(&format!(
                    "\"{metric}\": expected a name of at most {MAX_NAME} lower-case letters, digits and _"
                )));
            }
            let value = match (kind, value) {
                (MetricKind::Count, None) => 1.0,
                (_, Some(value)) if value.is_finite() => value,
                _ => return Err(wrong("expected a number")),
            };
            // A counter is of whole things, and never goes back.
            if kind == MetricKind::Count && (value < 0.0 || value.fract() != 0.0 || value > 1e15) {
                return Err(wrong("expected a whole number from 0"));
            }
            run.world
                .metric(&run.asker, MetricAsk { kind, name: metric, value })
                .map_err(|why| wrong(&why))
        })?;
        table.set(name.rsplit('.').next().unwrap_or(name), function)?;
    }
    Ok(table)
}
