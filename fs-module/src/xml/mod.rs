//! FreeSWITCH's XML look-ups (dialplan, directory, configuration), answered by fsxinetd.
//!
//! A switch that asks a service for its users and dialplans runs, on the day that the service is away,
//! whatever happens to lie on its disk. Here each look-up has a deadline, and behind it the last good
//! answer, and behind that what the site has said: the next source, or a refusal. Nothing is bound
//! unless the configuration says so.
//!
//! - [`setting`]: what the configuration may say;
//! - [`sound`]: what may be given to FreeSWITCH's parser;
//! - [`kept`]: the last good answers;
//! - [`documents`]: those of our own.
//!
//! Look-ups come on any thread of the host's: a call's own, a SIP profile's, the console's.

mod documents;
mod kept;
mod setting;
mod sound;
mod state;

use fsx_seam::{
    ask::AskError,
    clock::{self, Deadline},
    guard::Site,
    log::{self, Level, OnceAMinute},
};
use fsx_wire::xml::{LAST_GOOD, XmlQuery};

pub(crate) use setting::Setting;
use setting::{Bound, Otherwise, Which};
use sound::Kind;
pub(crate) use state::STATE;

use crate::{
    config::Config,
    host::{
        register,
        xml::{Lookup, Tree},
    },
    route::{self, Verdict},
    vars::{self, Facts},
    world::{self, Setup, World},
};

/// The search function.
pub(crate) struct Search;

/// Binds the search function, once, if the configuration wants any section bound. FreeSWITCH asks
/// sources in the order in which they were bound.
pub(crate) fn bind(config: &Config) {
    if config.xml.any() && STATE.begin_binding() {
        register::xml_search::<Search>();
        log::notice(format_args!("fsx: XML look-ups are asked of fsxinetd: {}", said(config)));
    }
}

/// What is bound, in words.
pub(crate) fn said(config: &Config) -> String {
    let bound = |which: Which| {
        let bound = config.xml.bound(which)?;
        let then = match (bound.last_good, bound.otherwise) {
            (true, Otherwise::Next) => "last good, then next source",
            (true, Otherwise::Refuse) => "last good, then refused",
            (false, Otherwise::Next) => "next source",
            (false, Otherwise::Refuse) => "refused",
        };
        let files = match which {
            Which::Configuration => format!(" {}", config.xml.files.join(" ")),
            _ => String::new(),
        };
        Some(format!("{}{files} (no answer: {then})", which.as_str()))
    };
    let all: Vec<String> = Which::ALL.into_iter().filter_map(bound).collect();
    if all.is_empty() { "none bound".to_owned() } else { all.join(", ") }
}

impl register::XmlSearch for Search {
    fn site() -> &'static Site {
        static SITE: Site = Site::new("xml.search");
        &SITE
    }

    fn wants(section: &str, key_value: &str) -> bool {
        let Some(world) = world::get() else { return false };
        let Some(which) = Which::named(section) else { return false };
        let setup = world.setup();
        let xml = &setup.config.xml;
        xml.bound(which).is_some() && (which != Which::Configuration || xml.has_file(key_value))
    }

    fn search(lookup: Lookup) -> Option<Tree> {
        let world = world::get()?;
        let setup = world.setup();
        let which = Which::named(&lookup.0.section)?;
        let bound = setup.config.xml.bound(which)?;
        answer(world, &setup, which, bound, lookup.0)
    }
}

/// The tree for a look-up; `None` lets FreeSWITCH ask the next source.
fn answer(
    world: &World,
    setup: &Setup,
    which: Which,
    bound: &Bound,
    query: XmlQuery,
) -> Option<Tree> {
    let config = &setup.config;
    if which == Which::Dialplan && is_emergency(world, config, &query) {
        STATE.counts.emergency();
        return Tree::parse(&documents::emergency(&query));
    }
    let key = query.key(config.xml.key(which));
    let problem = match ask(setup, &query) {
        Ok(Some(Answer { tree, text, age_s, last_good })) => {
            // As old as it is: what nobody has said for long does not become new on its way here. Older than
            // this process it is the daemon's to keep.
            let at = clock::monotonic_ms().checked_sub(age_s.saturating_mul(1000));
            if let (true, Some(at)) = (bound.last_good, at) {
                let room = (config.xml.last_good_mib as usize) << 20;
                STATE.kept.put(&key, &text, at, room);
            }
            if last_good {
                used_last_good(which, "fsxinetd's source does not answer", age_s);
            } else {
                STATE.counts.answered();
            }
            return Some(tree);
        }
        Ok(None) => {
            // Certain: a user who was taken out must not live on in what is kept.
            STATE.kept.forget(&key);
            STATE.counts.not_found();
            return None;
        }
        Err(problem) => problem,
    };
    without_answer(config, which, bound, &query, &key, &problem)
}

fn without_answer(
    config: &Config,
    which: Which,
    bound: &Bound,
    query: &XmlQuery,
    key: &str,
    problem: &str,
) -> Option<Tree> {
    static PASSED_ON: Lines = [const { [const { OnceAMinute::new() }; KINDS] }; 3];
    static REFUSED: Lines = [const { [const { OnceAMinute::new() }; KINDS] }; 3];
    let section = which.as_str();
    let now = clock::monotonic_ms();
    let since = now.saturating_sub(u64::from(config.xml.last_good_s) * 1000);
    let kept = STATE.kept.get(key, since).filter(|_| bound.last_good);
    if let Some((text, at)) = kept
        && let Some(tree) = Tree::parse(&text)
    {
        used_last_good(which, problem, now.saturating_sub(at) / 1000);
        return Some(tree);
    }
    match bound.otherwise {
        Otherwise::Next => {
            STATE.counts.passed_on();
            PASSED_ON[which as usize][kind(problem)].write(
                Level::Error,
                format_args!("fsx: XML {section}: {problem}; the next source is asked"),
            );
            None
        }
        Otherwise::Refuse => {
            STATE.counts.refused();
            REFUSED[which as usize][kind(problem)]
                .write(Level::Error, format_args!("fsx: XML {section}: {problem}; refused"));
            Tree::parse(&documents::refusal(query))
        }
    }
}

/// How many kinds of problems are told apart.
const KINDS: usize = 8;

/// One line a minute for each section and kind of problem, so that none holds another's first line back.
type Lines = [[OnceAMinute; KINDS]; 3];

/// The kind of a problem: by its first words, without numbers and names in quotes, so that one outage is
/// one line and the next outage another. Two kinds may fall together.
fn kind(problem: &str) -> usize {
    let words = problem.split(['"', '\'']).next().unwrap_or_default().bytes();
    let letters = words.filter(u8::is_ascii_alphabetic).take(32);
    let sum = letters.fold(0_u32, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into()));
    (sum >> 3) as usize % KINDS
}

/// Counts and says that an answer is not of now.
fn used_last_good(which: Which, problem: &str, age_s: u64) {
    static SAID: Lines = [const { [const { OnceAMinute::new() }; KINDS] }; 3];
    STATE.counts.last_good();
    let section = which.as_str();
    SAID[which as usize][kind(problem)].write(
        Level::Warning,
        format_args!("fsx: XML {section}: {problem}; the answer of {age_s} s ago is used"),
    );
}

/// What the daemon gave.
struct Answer {
    tree: Tree,
    text: String,
    /// How long ago somebody gave it.
    age_s: u64,
    /// Nobody gives it any more.
    last_good: bool,
}

/// Asks the daemon; `None` is its certain "no".
fn ask(setup: &Setup, query: &XmlQuery) -> Result<Option<Answer>, String> {
    let asker = setup.asker.as_ref().ok_or("no socket is configured")?;
    let _turn = STATE.patience.turn()?;
    STATE.counts.asked();
    let deadline = Deadline::after_ms(setup.config.xml.timeout_ms);
    let answer = asker.xml(query.clone(), deadline);
    STATE.patience.learn(matches!(answer, Err(AskError::TimedOut { .. })));
    let answer = answer.map_err(|error| error.to_string())?;
    let Some(text) = answer.document else { return Ok(None) };
    let (age_s, last_good) = (answer.age_s, answer.from == LAST_GOOD);
    if last_good && age_s > u64::from(setup.config.xml.last_good_s) {
        return Err(format!("its last good answer is {age_s} s old"));
    }
    match sound::look(&text, query) {
        Ok(Kind::NotFound) => Ok(None),
        Ok(Kind::Found) => match Tree::parse(&text) {
            Some(tree) => Ok(Some(Answer { tree, text, age_s, last_good })),
            None => Err("FreeSWITCH cannot parse the answer".to_owned()),
        },
        Err(why) => Err(format!("the answer of {} bytes {why}", text.len())),
    }
}

/// Whether this is an emergency call that can be routed here and now; such a call waits for nobody.
fn is_emergency(world: &World, config: &Config, query: &XmlQuery) -> bool {
    let names = &config.names;
    let var = |name: &str| match name {
        "" => None,
        _ => query.param(&format!("variable_{name}")).filter(|value| !value.is_empty()),
    };
    let mut facts = Facts::of_host(config, clock::utc_s());
    let field = |name| query.param(name).filter(|value| !value.is_empty());
    let called = var(&names.called)
        .or_else(|| field("Hunt-Destination-Number"))
        .or_else(|| field("Caller-Destination-Number"));
    let Some(called) = called.filter(|called| called.len() <= 32) else { return false };
    facts.called = called.to_owned();
    if let Some(org) = var(&names.org).and_then(|text| text.trim().parse().ok()) {
        facts.org = org;
    }
    facts.home_country = var(&names.home_country).and_then(|text| vars::country(text.trim()));
    facts.emergency =
        var(&names.emergency).is_some_and(|value| vars::is_true(value) || value == called);
    let routing = route::undisturbed(world, config, facts);
    routing.emergency && matches!(routing.verdict, Verdict::Route(_))
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn unlike_problems_have_lines_of_their_own() {
        let outages = [
            "64 look-ups are waiting already",
            "no answer in 500 ms",
            "the daemon says: the service says 500",
            "no socket is configured",
        ];
        let kinds: std::collections::BTreeSet<usize> = outages.map(kind).into();
        assert!(kinds.len() > 2, "{kinds:?}");
        // Numbers and names do not make another outage of it.
        assert_eq!(kind("no answer in 500 ms"), kind("no answer in 501 ms"));
        assert_eq!(kind("no \"a\" there"), kind("no \"b\" here"));
    }
}
