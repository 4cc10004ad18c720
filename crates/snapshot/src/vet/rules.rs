//! What organisations and countries say: overrides, limits, dialling and normalisation rules,
//! emergency numbers.

use std::collections::{BTreeMap, HashSet};

use fsx_core::{
    Country, Nano, Profile,
    data::{Margin, OverrideAction},
    digits::Key,
    money::NANO_PER_UNIT,
    pattern,
};

use super::{
    carriers::{Target, Targets},
    model::{CountryRules, DiallingRule, Gateway, Org, Override, Prefix, Rewrite},
};
use crate::{
    Report,
    rows::{OrgRow, Rows},
};

pub(super) fn compile(pattern: &str, replacement: &str) -> Result<Rewrite, String> {
    let program = pattern::compile(pattern).map_err(|e| format!("pattern {pattern:?}: {e}"))?;
    pattern::check_replacement(&program, replacement)
        .map_err(|e| format!("replacement {replacement:?}: {e}"))?;
    Ok(Rewrite { program, replacement: replacement.to_owned() })
}

pub(super) fn vet_overrides(
    rows: &Rows,
    carrier_at: &Targets,
    report: &mut Report,
) -> Vec<Override> {
    let mut overrides = Vec::new();
    for row in rows.overrides.iter().filter(|row| row.enabled) {
        let carrier = match carrier_at.get(row.carrier_id) {
            Some(Target::At(carrier)) => carrier,
            Some(Target::NotRouting | Target::Retail(_)) => continue,
            None => {
                let reason = format!("unknown carrier {}", row.carrier_id);
                report.lose("Overrides", row.id, reason);
                continue;
            }
        };
        let action = match row.action.trim().to_ascii_uppercase().as_str() {
            "FORCE" => OverrideAction::Force,
            "PREFER" => OverrideAction::Prefer,
            "FORBID" => OverrideAction::Forbid,
            other => {
                report.lose("Overrides", row.id, format!("unknown Action {other:?}"));
                continue;
            }
        };
        let prefix = row.prefix.trim();
        if prefix.len() > 15 || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            report.lose("Overrides", row.id, format!("Prefix {prefix:?} is not up to 15 digits"));
            continue;
        }
        let prefix = Prefix { key: Key::of(prefix.as_bytes()), len: prefix.len() as u8 };
        let (org_id, id, priority) = (row.org_id, row.id, row.priority);
        overrides.push(Override { org_id, prefix, id, carrier, action, priority });
    }
    overrides.sort_by_key(|o| (o.org_id, o.prefix, o.id));
    overrides
}

pub(super) fn vet_closed_loop(
    rows: &Rows,
    carrier_at: &Targets,
    report: &mut Report,
) -> Vec<(u32, u32)> {
    let mut members = Vec::new();
    for &(org_id, carrier_id) in &rows.closed_loop {
        match carrier_at.get(carrier_id) {
            Some(Target::At(carrier)) => members.push((org_id, carrier)),
            Some(Target::NotRouting | Target::Retail(_)) => {}
            None => {
                let reason = format!("unknown carrier {carrier_id}");
                report.lose("ClosedLoopCarriers", org_id, reason);
            }
        }
    }
    members.sort_unstable();
    members.dedup();
    members
}

pub(super) fn vet_orgs(
    rows: &Rows,
    private: &HashSet<u32>,
    overrides: &[Override],
    carrier_at: &Targets,
    report: &mut Report,
) -> Vec<Org> {
    let mut orgs: Vec<Org> = Vec::new();
    for row in &rows.orgs {
        let home_country = Country::new(row.home_country.trim().as_bytes());
        if home_country.is_none() && !row.home_country.trim().is_empty() {
            let reason = format!("HomeCountry {:?} is not two letters", row.home_country);
            report.lose("Orgs", row.org_id, reason);
        }
        // A limit that cannot be read must not become no limit.
        let limit = match row.call_cost_limit.trim() {
            "" => None,
            text => Some(Nano::parse(text).unwrap_or_else(|e| {
                let reason = format!("CallCostLimit {text:?}: {e}; taken as 0");
                report.lose("Orgs", row.org_id, reason);
                Nano::ZERO
            })),
        };
        let profile = match Profile::parse(&row.profile) {
            Ok(_) => row.profile.trim().to_owned(),
            Err(e) => {
                let reason = format!("Profile {:?}: {e}; taken as cost", row.profile);
                report.lose("Orgs", row.org_id, reason);
                String::new()
            }
        };
        let margin = vet_margin(row, carrier_at, report);
        let (org_id, private) = (row.org_id, private.contains(&row.org_id));
        let overrides = false;
        orgs.push(Org { org_id, home_country, limit, private, overrides, profile, margin });
    }
    // An organisation may have rows of its own elsewhere and none in `Orgs`.
    let overriding: HashSet<u32> = overrides.iter().map(|rule| rule.org_id).collect();
    let known: HashSet<u32> = orgs.iter().map(|org| org.org_id).collect();
    let unknown = private.union(&overriding).filter(|id| !known.contains(id));
    orgs.extend(unknown.map(|&org_id| Org {
        org_id,
        home_country: None,
        limit: None,
        private: private.contains(&org_id),
        overrides: false,
        profile: String::new(),
        margin: None,
    }));
    for org in &mut orgs {
        org.overrides = overriding.contains(&org.org_id);
    }
    orgs.sort_by_key(|org| org.org_id);
    orgs.dedup_by_key(|org| org.org_id);
    orgs
}

/// The margin rule of an organisation with a retail deck. One that cannot be read is named and
/// taken as the strictest of its kind: a typing error must not sell at a loss.
fn vet_margin(row: &OrgRow, carrier_at: &Targets, report: &mut Report) -> Option<Margin> {
    let mut rule = |column: &str, text: &str, strictest: Nano| match text.trim() {
        "" => None,
        text => Some(Nano::parse(text).unwrap_or_else(|e| {
            let reason = format!("{column} {text:?}: {e}; taken as {strictest}");
            report.lose("Orgs", row.org_id, reason);
            strictest
        })),
    };
    let hundred = Nano(100 * NANO_PER_UNIT);
    let absolute = rule("MarginAbs", &row.margin_abs, Nano(i64::MAX));
    let relative_percent = rule("MarginRel", &row.margin_rel, hundred);
    let allowed_loss = rule("AllowedLoss", &row.allowed_loss, Nano::ZERO);
    if absolute.or(relative_percent).or(allowed_loss).is_none() || row.retail_carrier_id == 0 {
        return None;
    }
    match carrier_at.get(row.retail_carrier_id) {
        Some(Target::Retail(retail)) => {
            Some(Margin { retail, absolute, relative_percent, allowed_loss })
        }
        _ => {
            let id = row.retail_carrier_id;
            let reason = format!("RetailCarrierID {id} is no enabled carrier of Type retail");
            report.lose("Orgs", row.org_id, reason);
            None
        }
    }
}

pub(super) fn vet_dialling_rules(rows: &Rows, report: &mut Report) -> Vec<DiallingRule> {
    let mut rules = Vec::new();
    for row in rows.dialling_rules.iter().filter(|row| row.enabled) {
        let block = match row.action.trim().to_ascii_uppercase().as_str() {
            "BLOCK" => true,
            "ALLOW" => false,
            other => {
                report.lose("DiallingRules", row.id, format!("unknown Action {other:?}"));
                continue;
            }
        };
        match compile(&row.pattern, "") {
            Ok(pattern) => {
                rules.push(DiallingRule { org_id: row.org_id, id: row.id, block, pattern });
            }
            Err(reason) => report.lose("DiallingRules", row.id, reason),
        }
    }
    rules.sort_by_key(|rule| (rule.org_id, rule.id));
    rules
}

pub(super) fn vet_countries(
    rows: &Rows,
    gateways: &[Gateway],
    report: &mut Report,
) -> Vec<(Country, CountryRules)> {
    let mut countries: BTreeMap<Country, CountryRules> = BTreeMap::new();
    let mut normalise: Vec<_> = rows.normalise_rules.iter().collect();
    normalise.sort_by_key(|row| row.sequence);
    for row in normalise {
        let Some(country) = Country::new(row.country.trim().as_bytes()) else {
            report.lose("NormaliseRules", 0, format!("Country {:?}", row.country));
            continue;
        };
        match compile(&row.pattern, &row.replacement) {
            Ok(rewrite) => countries.entry(country).or_default().normalise.push(rewrite),
            Err(reason) => report.lose("NormaliseRules", 0, format!("{country}: {reason}")),
        }
    }
    for (name, number) in &rows.emergency_numbers {
        let number = number.trim();
        match Country::new(name.trim().as_bytes()) {
            Some(country) if !number.is_empty() && number.len() <= 40 => {
                countries.entry(country).or_default().emergency_numbers.push(number.to_owned());
            }
            _ => report.lose("EmergencyNumbers", 0, format!("{name:?} {number:?}")),
        }
    }
    let mut wanted = rows.emergency_gateways.clone();
    wanted.sort_by_key(|(_, id, priority)| (*priority, *id));
    for (name, id, _) in &wanted {
        let at = gateways.iter().position(|gateway| gateway.row.id == *id);
        match (Country::new(name.trim().as_bytes()), at) {
            (Some(country), Some(at)) => {
                countries.entry(country).or_default().emergency_gateways.push(at as u32);
            }
            (None, _) => report.lose("EmergencyGateways", *id, format!("Country {name:?}")),
            (_, None) => report.lose("EmergencyGateways", *id, "no such enabled gateway"),
        }
    }
    countries.into_iter().collect()
}
