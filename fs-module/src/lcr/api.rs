//! The command `lcr <digits> [<profile>] [<caller id>] [lrn <number>] [as xml]`.

use fsx_seam::guard::Site;

use super::rows::{Row, leg_variables};
use crate::{
    api::{table::Table, xml},
    dialled, dialstring,
    host::{Session, Stream, register},
    route::{self, Verdict},
    vars::Facts,
    world::{self, World},
};

const USAGE: &str = "USAGE: lcr <digits> [<lcr profile>] [caller_id] [intrastate] [as xml]\n";

/// The command.
pub(super) struct Lcr;

impl register::Api for Lcr {
    const NAME: &'static core::ffi::CStr = c"lcr";
    const DESCRIPTION: &'static core::ffi::CStr = c"Least Cost Routing Module";
    const SYNTAX: &'static core::ffi::CStr =
        c"lcr <digits> [<lcr profile>] [caller_id] [intrastate] [as xml]";
    const FALLBACK: &'static str = "-ERR Error looking up routes\n";

    fn site() -> &'static Site {
        static SITE: Site = Site::new("api.lcr");
        &SITE
    }

    fn run(arguments: &str, session: Option<Session<'_>>, stream: &mut Stream<'_>) {
        let answer = match world::get() {
            Some(world) => answer(world, arguments, session),
            None => Self::FALLBACK.to_owned(),
        };
        stream.write(&crate::api::plain(answer));
    }
}

fn answer(world: &World, arguments: &str, session: Option<Session<'_>>) -> String {
    let setup = world.setup();
    let config = &setup.config;
    let at = fsx_seam::clock::utc_s();
    let mut words = arguments.split_whitespace();
    if arguments.len() > crate::api::MAX_COMMAND {
        let (got, most) = (arguments.len(), crate::api::MAX_COMMAND);
        return format!("-ERR a command of {got} bytes, expected at most {most}\n");
    }
    let Some(digits) = words.next() else {
        return USAGE.to_owned();
    };
    let mut facts = match session {
        Some(session) => {
            Facts::of_call(config, session.channel(), Some(digits), session.uuid(), at)
        }
        None => Facts { called: digits.to_owned(), ..Facts::of_host(config, at) },
    };
    if let Some(name) = words.next() {
        match config.order(name) {
            Ok(order) => facts.profile = order,
            Err(_) => return format!("-ERR Unknown profile: {name}\n"),
        }
    }
    let mut as_xml = false;
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_str() {
            // fsx tells callers apart by their band (ABandID), from the caller's own number.
            "intrastate" => {}
            "lrn" => facts.lrn = words.next().map(str::to_owned),
            "as" => match words.next() {
                Some(form) if form.eq_ignore_ascii_case("xml") => as_xml = true,
                _ => return USAGE.to_owned(),
            },
            _ => facts.caller = Some(word.to_owned()),
        }
    }
    let routing = route::local(world, config, facts);
    let rows: Vec<Row> = match &routing.verdict {
        Verdict::Route(attempts) => (0..attempts.len())
            .filter_map(|n| {
                let route = attempts.get(&routing.facts, n)?;
                let mut variables = leg_variables(&route, attempts.sell_price(&routing.facts));
                variables.extend(dialled::variables(config, &route, ""));
                let (text, _) = dialstring::with_variables(&variables, &route.dial_string);
                Some(Row::new(&route, text))
            })
            .collect(),
        Verdict::Reject { why: None, .. } => return "-ERR Error looking up routes\n".to_owned(),
        Verdict::Reject { .. } => Vec::new(),
    };
    if as_xml { in_xml(&rows) } else { in_columns(&rows) }
}

fn in_columns(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "No Routes To Display\n".to_owned();
    }
    let mut table = Table::new([
        "Digit Match",
        "Carrier",
        "Rate",
        "Codec",
        "CID Regexp",
        "Limit",
        "Dialstring",
    ]);
    // mod_lcr's narrowest rate column.
    table.at_least(2, 8);
    for row in rows {
        table.row([
            row.prefix.clone(),
            row.carrier.clone(),
            row.rate.clone(),
            row.codec.clone(),
            String::new(),
            String::new(),
            row.dial_string.clone(),
        ]);
    }
    table.to_string()
}

fn in_xml(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "<result row_count=\"0\">\n</result>\n".to_owned();
    }
    let mut text = "<result>\n".to_owned();
    for (n, row) in rows.iter().enumerate() {
        text.push_str(&format!("  <row id=\"{}\">\n", n + 1));
        let mut element = |indent: &str, name: &str, value: &str| {
            text.push_str(&format!("{indent}<{name}>{}</{name}>\n", xml::escaped(value)));
        };
        element("    ", "prefix", &row.prefix);
        element("    ", "carrier_name", &row.carrier);
        element("    ", "rate", &row.rate);
        element("    ", "codec", &row.codec);
        element("    ", "cid", "");
        element("    ", "limit", "");
        element("    ", "dialstring", &row.dial_string);
        text.push_str("<event>\n  <headers>\n");
        let mut header = |name: &str, value: &str| {
            text.push_str(&format!("    <{name}>{}</{name}>\n", xml::escaped(value)));
        };
        header("lcr_digits", &row.prefix);
        header("lcr_carrier_name", &row.carrier);
        header("lcr_rate_field", &row.rate);
        header("lcr_codec", &row.codec);
        text.push_str("  </headers>\n</event>\n  </row>\n");
    }
    text.push_str("</result>\n");
    text
}
