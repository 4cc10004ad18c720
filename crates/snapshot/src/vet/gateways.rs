//! Gateways, in the order that a decision tries them.

use std::collections::HashSet;

use fsx_core::MAX_GATEWAYS;

use super::{
    carriers::{Target, Targets},
    model::{Carrier, Gateway},
};
use crate::{
    BuildError, Report,
    layout::NONE,
    rows::{GatewayRow, Rows},
};

/// The default of `CarrierGateway.DialString`.
const DEFAULT_DIAL_STRING: &str = "sofia/gateway/gw${ID}/${number}";

/// Most characters of a gateway's prefix, and of its suffix: both and a number fit in a
/// `fsx_core::render::GatewayNumber`.
const MAX_AFFIX: usize = 40;

pub(super) fn vet_gateways(
    rows: &Rows,
    carriers: &mut [Carrier],
    carrier_at: &Targets,
    report: &mut Report,
) -> Result<Vec<Gateway>, BuildError> {
    let emergency: HashSet<u32> = rows.emergency_gateways.iter().map(|(_, id, _)| *id).collect();
    let mut gateways = Vec::new();
    let mut seen = HashSet::new();
    for row in &rows.gateways {
        if !seen.insert(row.id) {
            return Err(BuildError::DuplicateId { table: "CarrierGateway", id: row.id });
        }
        let carrier = match carrier_at.get(row.carrier_id) {
            Some(Target::At(carrier)) => carrier,
            // An emergency gateway serves emergencies whatever becomes of its carrier.
            Some(Target::NotRouting | Target::Retail(_)) if emergency.contains(&row.id) => NONE,
            Some(Target::NotRouting | Target::Retail(_)) => continue,
            None => {
                let reason = format!("unknown carrier {}", row.carrier_id);
                report.lose_adrift("CarrierGateway", row.id, reason);
                continue;
            }
        };
        if !row.enabled {
            continue;
        }
        match vet_gateway(row, carrier) {
            Ok(gateway) => gateways.push(gateway),
            Err(reason) => report.lose("CarrierGateway", row.id, reason),
        }
    }
    gateways.sort_by_key(|g| (g.carrier, std::cmp::Reverse(g.row.reliability), g.row.id));
    for (at, gateway) in gateways.iter().enumerate() {
        if gateway.carrier == NONE {
            continue;
        }
        let carrier = &mut carriers[gateway.carrier as usize];
        if carrier.gateways == 0 {
            carrier.first_gateway = at as u32;
        }
        carrier.gateways += 1;
        carrier.weighted |= gateway.row.weight > 0;
        if carrier.gateways as usize > MAX_GATEWAYS {
            return Err(BuildError::TooManyGateways { carrier: carrier.id });
        }
    }
    Ok(gateways)
}

/// Gives every data centre that a gateway names its bit.
pub(super) fn number_data_centres(gateways: &mut [Gateway]) -> Result<Vec<String>, BuildError> {
    let mut names: Vec<String> = Vec::new();
    for gateway in gateways {
        for name in gateway.row.data_centres.split(',').map(str::trim).filter(|n| !n.is_empty()) {
            let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
            if at >= 64 {
                return Err(BuildError::TooManyDataCentres { name: name.to_owned() });
            }
            gateway.centre_bits |= 1 << at;
        }
    }
    Ok(names)
}

fn vet_gateway(row: &GatewayRow, carrier: u32) -> Result<Gateway, String> {
    for (column, text) in [("Prefix", &row.prefix), ("Suffix", &row.suffix)] {
        let plain = text.bytes().all(|b| b.is_ascii_graphic());
        if text.len() > MAX_AFFIX || !plain {
            return Err(format!("{column} {text:?} is not plain text of up to {MAX_AFFIX} bytes"));
        }
    }
    if row.reliability > 100 {
        return Err(format!("Reliability {} is over 100", row.reliability));
    }
    let none = row.stop_causes.trim().eq_ignore_ascii_case("none");
    let bad = row
        .stop_causes
        .split(',')
        .map(str::trim)
        .find(|word| !none && !word.is_empty() && word.parse::<u16>().is_err());
    if let Some(word) = bad {
        return Err(format!("StopCauses names {word:?}, not a cause number"));
    }
    let dial_string = match row.dial_string.trim() {
        "" => DEFAULT_DIAL_STRING.to_owned(),
        template if template.contains("${number}") => template.to_owned(),
        template => return Err(format!("DialString {template:?} lacks ${{number}}")),
    };
    Ok(Gateway {
        channel_vars: channel_vars(&row.channel_vars)?,
        dial_string,
        centre_bits: 0,
        carrier,
        row: row.clone(),
    })
}

/// `a=b,c=d` to one pair a line. A piece without `=` belongs to the value before it, so that
/// `absolute_codec_string=PCMA,PCMU` stays one variable.
fn channel_vars(text: &str) -> Result<String, String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in text.split(['\n', ';']).flat_map(|line| line.split(',')) {
        let piece = piece.trim();
        match (piece.split_once('='), lines.last_mut()) {
            (Some((name, value)), _) => {
                let name = name.trim();
                let valid = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
                if name.is_empty() || !name.bytes().all(valid) {
                    return Err(format!("ChannelVars names {name:?}"));
                }
                lines.push(format!("{name}={}", value.trim()));
            }
            (None, _) if piece.is_empty() => {}
            (None, Some(last)) => {
                last.push(',');
                last.push_str(piece);
            }
            (None, None) => {
                return Err(format!("ChannelVars begins with {piece:?}, not name=value"));
            }
        }
    }
    Ok(lines.join("\n"))
}
