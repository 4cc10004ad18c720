//! `fsxinetd lcr verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fsx_core::data::RoutingData;
use fsx_snapshot::Snapshot;
use fsx_wire::answer::rfc3339;
use serde_json::json;

use crate::cmd::Failure;
use crate::cmd::progress::thousands;

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The routing file
    file: PathBuf,
    /// JSON on standard output
    #[arg(long)]
    json: bool,
}

pub(super) fn verify(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let shown = args.file.display();
    let bytes = crate::feed::read_whole(&args.file)
        .map_err(|e| Failure::usage(format!("cannot read {shown}: {e}")))?;
    let size = bytes.len() as u64;
    let bad = |why: String| Failure::failed(format!("{shown}: {why}"));
    let snapshot = Snapshot::open(bytes).map_err(|e| bad(e.to_string()))?;
    snapshot.verify().map_err(|e| bad(e.to_string()))?;
    let settings = snapshot.settings();
    let sections: Vec<(&str, u32)> = snapshot
        .section_rows()
        .filter(|(_, rows, _)| *rows > 0)
        .map(|(name, rows, _)| (name, rows))
        .collect();
    if args.json {
        let rows: serde_json::Map<_, _> =
            sections.iter().map(|(name, rows)| ((*name).to_owned(), json!(rows))).collect();
        say!(
            "{}",
            json!({
                "file": shown.to_string(),
                "good": true,
                "bytes": size,
                "generation": snapshot.generation(),
                "built_at": rfc3339(snapshot.built_at()),
                "horizon_end": rfc3339(settings.horizon_end),
                "reference_seconds": settings.reference_seconds,
                "rows": rows,
            })
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    say!(
        "{shown}: good\n  generation {}, built {}, periods until {}, {} bytes",
        snapshot.generation(),
        rfc3339(snapshot.built_at()),
        rfc3339(settings.horizon_end),
        thousands(size)
    )?;
    for (name, rows) in sections {
        say!("  {:>12}  {name}", thousands(rows.into()))?;
    }
    Ok(ExitCode::SUCCESS)
}
