//! The API `fsx …`, for operators: `fs_cli -x 'fsx status'`.
//!
//! Every command says what happened: data, `+OK …`, or `-ERR …`. The status returned to FreeSWITCH
//! is always success, since the event socket throws away the text of any other.

mod asking;
mod gateways;
mod lookups;
mod status;
pub(crate) mod table;
pub(crate) mod xml;

use fsx_seam::{
    clock::{self, Deadline},
    generation::Refresh,
    guard::Site,
    log,
};
use serde_json::json;

use crate::{
    BUILD_ID,
    host::{Session, Stream, register},
    world::{self, World},
};

/// What Tab completes after `fsx `: `_any_` is any word, `::[a:b` one of these, `::name` whatever that
/// completion says.
pub(crate) const COMPLETIONS: &[&str] = &[
    "status",
    "status as ::[json:xml",
    "route",
    "route _any_ ::[org=:cli=:dc=:country=:at=:withhold=true:carrier-group=:pci-zone=:privacy-class=:attempts=:profile=:lrn=",
    "why",
    "why _any_ ::[org=:cli=:dc=:country=:at=:withhold=true:carrier-group=:pci-zone=:privacy-class=:attempts=:profile=:lrn=",
    "gateways",
    "gateways as ::[json:xml",
    "gateway ::fsx::gateways",
    "gateway ::fsx::gateways ::[up:down:auto",
    "reload",
    "generation",
    "generation as ::[json:xml",
    "calls",
    "calls as ::[json:xml",
    "xml",
    "xml forget",
    "xml as ::[json:xml",
    "version",
    "version as ::[json:xml",
    "help",
];

/// The IDs of the gateways in the routing data, for Tab.
pub(crate) struct GatewayIds;

impl register::Completion for GatewayIds {
    const NAME: &'static core::ffi::CStr = c"::fsx::gateways";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("complete.gateways");
        &SITE
    }

    fn words() -> Vec<String> {
        world::get().map(gateways::ids).unwrap_or_default()
    }
}

const HELP: &str = "\
fsx status                          what is loaded, and how it fares
fsx route <number> [facts]          where a call would go
fsx why <number> [facts]            the same, with what was left out and why
  facts: org=N cli=<number> dc=<data centre> country=<GB|44> at=<RFC 3339 or seconds>
         withhold=true carrier-group=<name> pci-zone=<name> privacy-class=<name> attempts=N
         profile=<name> lrn=<number>
fsx gateways                        gateways, their health here and their calls
fsx gateway <id> up|down|auto       say of a gateway that it is up, down, or as the prober finds it
fsx reload                          read fsx.conf.xml again and look for a newer snapshot
fsx generation                      generation of the routing data in use
fsx calls                           calls in progress that fsx routed
fsx xml                             XML look-ups: what is bound, what became of them
fsx xml forget                      forget the last good answers
fsx version                         what was built
fsx help                            this
status, route, why, gateways, generation, calls, xml and version also end in: as json, as xml
";

/// The command.
pub(crate) struct Fsx;

impl register::Api for Fsx {
    const NAME: &'static core::ffi::CStr = c"fsx";
    const DESCRIPTION: &'static core::ffi::CStr = c"Telephone routing from data in memory";
    const SYNTAX: &'static core::ffi::CStr =
        c"status|route <number>|why <number>|gateways|gateway <id> up|down|auto|reload|generation|\
          calls|xml|version|help";
    const FALLBACK: &'static str = "-ERR fsx: an internal fault, noted in the log\n";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("api.fsx");
        &SITE
    }

    fn run(arguments: &str, _session: Option<Session<'_>>, stream: &mut Stream<'_>) {
        let Some(world) = world::get() else {
            stream.write("-ERR fsx did not load completely, see the log\n");
            return;
        };
        stream.write(&plain(answer(world, arguments)));
    }
}

/// The answer without what a terminal would obey: words of the command and of calls stand in it.
pub(crate) fn plain(answer: String) -> String {
    let obeyed = |c: char| c.is_control() && c != '\n';
    if answer.contains(obeyed) { answer.replace(obeyed, "?") } else { answer }
}

/// Longest command that is looked at, in bytes. Longer ones are a mistake or an attack.
pub(crate) const MAX_COMMAND: usize = 4096;

fn answer(world: &World, arguments: &str) -> String {
    if arguments.len() > MAX_COMMAND {
        return format!(
            "-ERR a command of {} bytes, expected at most {MAX_COMMAND}\n",
            arguments.len()
        );
    }
    let mut words: Vec<&str> = arguments.split_whitespace().collect();
    let form = match words.as_slice() {
        [.., "as", "json"] => Form::Json,
        [.., "as", "xml"] => Form::Xml,
        _ => Form::Text,
    };
    if form != Form::Text {
        words.truncate(words.len() - 2);
        // Before anything is done: half of these change something.
        if let ["reload" | "gateway" | "help", ..] | ["xml", _, ..] = words.as_slice() {
            return format!("-ERR fsx {} answers in text only\n", words.join(" "));
        }
    }
    match words.as_slice() {
        [] | ["help"] => HELP.to_owned(),
        ["status"] => status::answer(world, form),
        ["route", number, facts @ ..] => asking::route(world, number, facts, form),
        ["why", number, facts @ ..] => asking::why(world, number, facts, form),
        ["route" | "why"] => "-ERR expected a number: fsx route <number> [facts]\n".to_owned(),
        ["gateways"] => gateways::list(world, form),
        ["gateway", id, word] => gateways::set(world, id, word),
        ["reload"] => reload(world),
        ["generation"] => {
            let generation = world.generation();
            form.show(&json!({"generation": generation}), || format!("{generation}\n"))
        }
        ["calls"] => calls(world, form),
        ["xml"] => lookups::answer(world, form),
        ["xml", "forget"] => lookups::forget(),
        ["version"] => form.show(&json!({"version": BUILD_ID}), || format!("fsx {BUILD_ID}\n")),
        ["xml", extra] => format!("-ERR fsx xml takes no {extra:?}, only forget\n"),
        ["xml", "forget", extra, ..] => format!("-ERR fsx xml forget takes no {extra:?}\n"),
        ["gateway", ..] => "-ERR expected: fsx gateway <id> up|down|auto\n".to_owned(),
        [
            word @ ("status" | "gateways" | "reload" | "generation" | "calls" | "xml" | "version"),
            extra,
            ..,
        ] => {
            format!("-ERR fsx {word} takes no {extra:?}\n")
        }
        [word, ..] => format!("-ERR unknown command {word:?}; fsx help lists them\n"),
    }
}

/// How an answer is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Text,
    Json,
    Xml,
}

impl Form {
    /// The answer in this form: `value` for machines, `text` for eyes.
    fn show(self, value: &serde_json::Value, text: impl FnOnce() -> String) -> String {
        match self {
            Self::Text => text(),
            Self::Json => value.to_string() + "\n",
            Self::Xml => xml::document("result", value),
        }
    }
}

fn calls(world: &World, form: Form) -> String {
    let calls = world.calls.list();
    let value = json!({
        "calls": calls
            .iter()
            .map(|(uuid, call)| {
                json!({
                    "uuid": uuid,
                    "org": call.facts.org,
                    "called": call.facts.called,
                    "number": call.number,
                    "generation": call.generation,
                    "decided_by": call.decided_by,
                    "attempts": call.attempts.len(),
                })
            })
            .collect::<Vec<_>>(),
    });
    form.show(&value, || {
        let mut table =
            table::Table::new(["UUID", "Org", "Called", "Number", "Generation", "By", "Attempts"]);
        for (uuid, call) in &calls {
            table.row([
                uuid.clone(),
                call.facts.org.to_string(),
                call.facts.called.clone(),
                call.number.clone().unwrap_or_default(),
                call.generation.to_string(),
                call.decided_by.to_owned(),
                call.attempts.len().to_string(),
            ]);
        }
        let table = if calls.is_empty() { String::new() } else { table.to_string() };
        format!("{table}{} calls in progress\n", calls.len())
    })
}

fn reload(world: &World) -> String {
    if let Err(mistakes) = world.reload() {
        for mistake in &mistakes {
            log::error(format_args!("fsx: {mistake}"));
        }
        log::warning(format_args!(
            "fsx: fsx.conf.xml is not taken, the configuration in force stays"
        ));
        let lines: String = mistakes.iter().map(|mistake| format!("  {mistake}\n")).collect();
        return format!("-ERR the configuration in force stays:\n{lines}");
    }
    // The file itself is looked at, whatever the live table announces.
    let snapshot = match look(world) {
        None => "no snapshot is configured".to_owned(),
        Some(Refresh::Busy) => {
            return "-ERR configuration read; the snapshot is still being looked at, ask again\n"
                .to_owned();
        }
        Some(Refresh::Refused { reason, .. }) => {
            return format!(
                "-ERR configuration read; snapshot refused: {reason}; generation {} stays in use\n",
                world.generation()
            );
        }
        Some(Refresh::Missing) => {
            return format!(
                "-ERR configuration read; there is no snapshot at {}; generation {} stays in use\n",
                world.snapshot_path(),
                world.generation()
            );
        }
        Some(came) => came.to_string(),
    };
    let live = match (world.live(), world.setup().config.live.as_deref()) {
        (None, Some(path)) => {
            format!("; no live table at {} yet: every gateway counts as idle", path.display())
        }
        _ => String::new(),
    };
    format!("+OK configuration read; {snapshot}; generation {}{live}\n", world.generation())
}

/// Looks at the snapshot's file, after whoever is at it now.
fn look(world: &World) -> Option<Refresh> {
    let deadline = Deadline::after_ms(2_000);
    loop {
        match world.look_again() {
            Some(Refresh::Busy) if !deadline.passed() => clock::pause_ms(20),
            came => return came,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn an_answer_holds_nothing_that_a_terminal_obeys() {
        let said = "-ERR unknown \u{1b}[31mword\u{7f}\r\u{9b}2J\n  Åsa | 1\n";
        assert_eq!(plain(said.to_owned()), "-ERR unknown ?[31mword???2J\n  Åsa | 1\n");
    }
}
