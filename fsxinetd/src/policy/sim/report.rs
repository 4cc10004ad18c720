//! A simulated call for people to read.

use std::fmt::Write as _;

use super::scene::Scene;
use super::trace::{Kind, Step};
use super::{Played, tells};

/// Longest data of one line, in characters.
const MAX_DATA: usize = 100;

/// The trace as text. `all` shows every call into the host besides what came of them.
#[must_use]
pub fn text(scene: &Scene, played: &Played, all: bool) -> String {
    let mut out = String::new();
    let caller = scene.caller.as_deref().unwrap_or("anonymous");
    let _ = writeln!(out, "call    {caller} -> {}", scene.number);
    let began = jiff::Timestamp::from_millisecond(scene.at_ms().unwrap_or(0)).unwrap_or_default();
    let _ = writeln!(out, "at      {}", began.strftime("%a %Y-%m-%d %H:%M:%S UTC"));
    let _ = writeln!(out, "runs    {} of {}, {} phase", played.ran, played.policy, played.phase);
    out.push('\n');
    let own = played.policy.split_once('@').map_or("", |(bundle, _)| bundle);
    for step in played.steps.iter().filter(|step| all || tells(step)) {
        line(&mut out, own, step);
    }
    if !played.steps.iter().any(|step| all || tells(step)) {
        out.push_str("  (nothing was asked of anybody)\n");
    }
    out.push('\n');
    end(&mut out, played);
    out
}

/// `   4.000  menu.lua:9    app    bridge user/101  = USER_BUSY`
fn line(out: &mut String, bundle: &str, step: &Step) {
    let place = step.place.strip_prefix(bundle).and_then(|p| p.strip_prefix('/'));
    let place = place.unwrap_or(&step.place);
    let at = step.at_ms as f64 / 1_000.0;
    let _ = write!(out, "{at:>9.3}  {place:<18} {:<6} {}", step.kind.as_str(), step.what);
    match step.kind {
        Kind::Log => {
            let _ = write!(out, ": {}", shortened(&step.data));
        }
        Kind::Hangup => {
            let _ = write!(out, ", by {}", step.data);
        }
        _ if !step.data.is_empty() => {
            let _ = write!(out, " {}", shortened(&step.data));
        }
        _ => {}
    }
    if let Some(result) = &step.result {
        let _ = write!(out, "  = {}", shortened(result));
    }
    out.push('\n');
}

fn shortened(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.chars().count() <= MAX_DATA {
        return text.trim_end().to_owned();
    }
    let mut short: String = text.chars().take(MAX_DATA - 3).collect();
    short.push_str("...");
    short
}

fn end(out: &mut String, played: &Played) {
    if let Some(failure) = &played.failure {
        let _ = writeln!(out, "failed  {failure}");
    }
    match played.outcome {
        "rejected" => {
            let (cause, reason) =
                (played.reject.unwrap_or(0), played.reason.as_deref().unwrap_or(""));
            let _ = writeln!(out, "refused cause {cause}: {reason}");
        }
        "routed" => {
            for (n, route) in played.routes.iter().enumerate() {
                let _ = writeln!(out, "route {} {route}", n + 1);
            }
        }
        "kept" if played.phase == "route" => out.push_str("kept    the plan stands\n"),
        _ => {}
    }
    if played.phase == "call" {
        let seconds = played.took_ms as f64 / 1_000.0;
        let after = format!("after {seconds:.1} s");
        match (&played.hangup_cause, &played.transferred) {
            (Some(cause), _) => {
                let by = played.ended_by.unwrap_or("nobody");
                let _ = writeln!(out, "ended   {cause}, by {by}, {after}");
            }
            (None, Some(to)) => {
                let _ = writeln!(out, "goes on transferred to {to}, {after}");
            }
            (None, None) => {
                let _ = writeln!(out, "goes on with the dialplan's next action, {after}");
            }
        }
    }
}
