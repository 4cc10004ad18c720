//! `fsxinetd lcr route --batch`: many questions, one answer a line, in order.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use fsx_core::{CallFacts, Country};
use serde::Deserialize;
use serde_json::json;

use super::route::answer;
use super::{Opened, instant, now};
use crate::cmd::Failure;

/// One line. An unknown member is refused: it would change nothing and seem to.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Request {
    number: Option<String>,
    org: u32,
    cli: Option<String>,
    withhold_cli: bool,
    at: Option<At>,
    dc: String,
    country: Option<String>,
    privacy_class: Option<String>,
    pci_zone: Option<String>,
    carrier_group: Option<String>,
    call_id: String,
    profile: Option<String>,
    lrn: Option<String>,
    max_attempts: u8,
    why: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum At {
    Seconds(i64),
    Text(String),
}

/// Answers every line of `path` (`-` is standard input) on standard output.
pub(super) fn batch(opened: &Opened, path: &Path) -> Result<ExitCode, Failure> {
    let input: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(std::io::stdin().lock()))
    } else {
        let file = File::open(path)
            .map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    let out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    answer_all(opened, input, out)
}

/// A line that makes no sense is answered with its number and what is wrong, so that answers stay in
/// step with questions; the exit code is then 1.
pub(super) fn answer_all(
    opened: &Opened,
    mut input: impl BufRead,
    mut out: impl Write,
) -> Result<ExitCode, Failure> {
    let (mut line, mut answered) = (Vec::new(), Vec::new());
    let (mut number, mut bad) = (0u64, false);
    let now = now();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        answered.clear();
        match one(opened, &line, now, &mut answered) {
            Ok(()) => out.write_all(&answered)?,
            Err(error) => {
                bad = true;
                serde_json::to_writer(&mut out, &json!({ "line": number, "error": error }))
                    .map_err(Failure::failed)?;
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn one(opened: &Opened, line: &[u8], now: i64, out: &mut Vec<u8>) -> Result<(), String> {
    let request: Request = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let called = request.number.as_deref().ok_or("it has no \"number\"")?;
    let home_country = match &request.country {
        None => None,
        Some(text) => Some(
            Country::new(text.as_bytes())
                .ok_or_else(|| format!("country \"{text}\": expected two letters such as GB"))?,
        ),
    };
    let at = match &request.at {
        None => now,
        Some(At::Seconds(at)) => *at,
        Some(At::Text(text)) => instant(text)?,
    };
    if let Some(text) = &request.profile {
        fsx_core::Profile::parse(text).map_err(|e| format!("profile \"{text}\": {e}"))?;
    }
    let facts = CallFacts {
        called: called.as_bytes(),
        caller: request.cli.as_deref().map(str::as_bytes),
        withhold_cli: request.withhold_cli,
        org_id: request.org,
        home_country,
        data_centre: &request.dc,
        at,
        call_id: request.call_id.as_bytes(),
        privacy_class: request.privacy_class.as_deref(),
        pci_zone: request.pci_zone.as_deref(),
        carrier_group: request.carrier_group.as_deref(),
        profile: request.profile.as_deref(),
        lrn: request.lrn.as_deref().map(str::as_bytes),
        max_attempts: request.max_attempts,
    };
    let answer = answer(&opened.data, &*opened.live, &facts, request.why);
    serde_json::to_writer(out, &answer).map_err(|e| e.to_string())
}
