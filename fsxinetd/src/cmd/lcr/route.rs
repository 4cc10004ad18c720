//! `fsxinetd lcr route`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use fsx_core::data::{Index, LiveView, RoutingData};
use fsx_core::{CallFacts, Country, standing};
use fsx_wire::answer::{CollectWhy, RouteAnswer};

use super::{Opened, Source, batch, country, instant, now, open_source};
use crate::cmd::{Failure, table};

/// Options of `route`.
#[derive(Clone, Debug, Default, Args)]
pub struct RouteArgs {
    /// The number as dialled
    #[arg(required_unless_present = "batch", allow_hyphen_values = true)]
    number: Option<String>,
    /// Requests to answer, one JSON object a line ({"number", "org", "cli", "at", "dc", …}; all but
    /// number may be left out); - is standard input; answers are JSON
    #[arg(long, value_name = "FILE", conflicts_with = "number")]
    batch: Option<PathBuf>,
    /// Threads that answer a batch; 0 is one a core
    #[arg(long, value_name = "N", default_value_t = 0, requires = "batch")]
    jobs: u16,
    /// Organisation
    #[arg(long, value_name = "ID", default_value_t = 0)]
    org: u32,
    /// Caller's number
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    cli: Option<String>,
    /// The caller is not to be shown
    #[arg(long)]
    withhold_cli: bool,
    /// Instant of the call: 2026-01-20T10:00:00Z, or seconds since 1970; now where not given
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    at: Option<i64>,
    /// Data centre that asks
    #[arg(long, value_name = "NAME", default_value = "")]
    dc: String,
    /// Home country of the device; the organisation's where not given
    #[arg(long, value_name = "CC", value_parser = country)]
    country: Option<Country>,
    /// Only gateways of this privacy class
    #[arg(long, value_name = "NAME")]
    privacy_class: Option<String>,
    /// Only gateways in this PCI zone
    #[arg(long, value_name = "NAME")]
    pci_zone: Option<String>,
    /// Only gateways of this carrier group
    #[arg(long, value_name = "NAME")]
    carrier_group: Option<String>,
    /// The call's id, which decides how weights share calls
    #[arg(long, value_name = "TEXT", default_value = "")]
    call_id: String,
    /// Order of carriers: cost, reliability, quality, tolerance:PERCENT or split:CARRIER=SHARE,…; the
    /// organisation's where not given
    #[arg(long, value_name = "NAME", value_parser = profile)]
    profile: Option<String>,
    /// Routing number of a ported number: prices are looked up by it
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    lrn: Option<String>,
    /// Attempts at most; 0 is the default of 8
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_attempts: u8,
    /// Say what was left out, and why
    #[arg(long)]
    why: bool,
    /// JSON on standard output
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) source: Source,
}

/// A profile's text, refused where it names none.
fn profile(text: &str) -> Result<String, fsx_core::profile::UnknownProfile> {
    fsx_core::Profile::parse(text).map(|_| text.to_owned())
}

impl RouteArgs {
    /// A call as the demonstration makes it, explained.
    pub(in crate::cmd) fn of_call(number: &str, org: u32, dc: &str) -> Self {
        Self {
            number: Some(number.to_owned()),
            org,
            dc: dc.to_owned(),
            why: true,
            ..Self::default()
        }
    }

    fn facts<'a>(&'a self, number: &'a str, now: i64) -> CallFacts<'a> {
        CallFacts {
            called: number.as_bytes(),
            caller: self.cli.as_deref().map(str::as_bytes),
            withhold_cli: self.withhold_cli,
            org_id: self.org,
            home_country: self.country,
            data_centre: &self.dc,
            at: self.at.unwrap_or(now),
            call_id: self.call_id.as_bytes(),
            privacy_class: self.privacy_class.as_deref(),
            pci_zone: self.pci_zone.as_deref(),
            carrier_group: self.carrier_group.as_deref(),
            profile: self.profile.as_deref(),
            lrn: self.lrn.as_deref().map(str::as_bytes),
            max_attempts: self.max_attempts,
        }
    }
}

pub(super) async fn route(args: RouteArgs) -> Result<ExitCode, Failure> {
    let opened = open_source(&args.source, args.at).await?;
    if let Some(path) = &args.batch {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = if args.jobs == 0 { cores() } else { usize::from(args.jobs) };
        return batch::batch(&opened, path, jobs);
    }
    for line in unknown(&opened.data, &args) {
        // To whoever watches; the answer stands alone.
        let _ = writeln!(std::io::stderr(), "fsxinetd: {line}");
    }
    say!("{}", one(&opened, &args)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// What was asked for by a name that the data does not know: the answer is right, and hardly the one
/// that was meant.
pub(super) fn unknown<D: RoutingData + ?Sized>(data: &D, args: &RouteArgs) -> Vec<String> {
    let mut lines = Vec::new();
    if !args.dc.is_empty() && data.data_centre_bit(&args.dc) == 0 {
        let gateways = (0..).map_while(|at| data.gateway(Index(at)));
        let known: BTreeSet<&str> = gateways
            .flat_map(|gateway| gateway.data_centres.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        if !known.is_empty() {
            lines.push(format!(
                "note: no gateway is in data centre {}; there are {}",
                args.dc,
                known.into_iter().collect::<Vec<_>>().join(", ")
            ));
        }
    }
    let dials = |country| data.normalise_rule(Some(country), 0).is_some();
    if let Some(country) = args.country.filter(|country| !dials(*country)) {
        let letters = || b'A'..=b'Z';
        // A country may have two codes, and is named once.
        let known: BTreeSet<String> = letters()
            .flat_map(|a| letters().filter_map(move |b| Country::new(&[a, b])))
            .filter(|country| dials(*country))
            .map(|country| country.to_string())
            .collect();
        let known: Vec<String> = known.into_iter().collect();
        lines.push(format!(
            "note: no dialling rules for country {country}: digits are taken as they are; there are {}",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ));
    }
    if let Some(lrn) = args.lrn.as_deref().filter(|lrn| !lrn.bytes().any(|b| b.is_ascii_digit())) {
        lines.push(format!(
            "note: the routing number {lrn:?} has no digits: prices are looked up by the dialled number"
        ));
    }
    lines
}

/// The answer to one question, as JSON or for people.
pub(in crate::cmd) fn one(opened: &Opened, args: &RouteArgs) -> Result<String, Failure> {
    let number = args.number.as_deref().unwrap_or_default();
    let facts = args.facts(number, now());
    let answer = answer(&opened.data, opened.live.view(), &facts, args.why);
    if args.json {
        return serde_json::to_string(&answer).map_err(Failure::failed);
    }
    let names = table::carrier_names(&opened.data);
    let mut text = table::human(&answer, args.why, &names);
    let horizon = opened.data.settings().horizon_end;
    if facts.at >= horizon {
        text.push_str(
            "note: past the snapshot's horizon, so only rates without a period were used\n",
        );
    }
    Ok(text)
}

pub(super) fn answer<D: RoutingData + ?Sized>(
    data: &D,
    live: &dyn LiveView,
    facts: &CallFacts<'_>,
    why: bool,
) -> RouteAnswer {
    if why {
        let mut reasons = CollectWhy::new(data);
        let decision = standing::route_why(data, live, facts, &mut reasons);
        RouteAnswer::new(data, facts, &decision, reasons.rows)
    } else {
        let decision = standing::route(data, live, facts);
        RouteAnswer::new(data, facts, &decision, Vec::new())
    }
}
