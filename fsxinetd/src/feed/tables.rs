//! One function a table: its columns into the builder's row.

use fsx_core::digits::Digits;
use fsx_snapshot::rows::{
    BandRow, CarrierRow, DiallingRuleRow, FormatRow, FxRow, GatewayRow, NormaliseRow, NumberRow,
    OrgRow, OverrideRow, RateRow,
};

use super::periods::Hours;
use super::read::{Cells, Read, ReadSettings, Taken, Taker};
use super::text::{decimal, instant, whole, words, yes_or_no};

/// Every table that becomes routing data.
pub(super) const ALL: &[Taker] = &[
    Taker {
        table: "Carriers",
        columns: &[
            "ID",
            "CarrierName",
            "Enabled",
            "Type",
            "ClosedLoopCarrier",
            "PrivateServicesCarrier",
        ],
        take: carrier,
    },
    Taker {
        table: "Bands",
        columns: &["ID", "BandName", "CarrierID", "Type", "CountryCode", "Enabled"],
        take: band,
    },
    Taker {
        table: "Numbers",
        columns: &["ID", "Number", "BandID", "Enabled", "OrgID"],
        take: number,
    },
    Taker {
        table: "LCRRates",
        columns: &[
            "ID",
            "BandID",
            "Rate",
            "Setup",
            "Currency",
            "Period",
            "Start",
            "Enabled",
            "FormatNumber",
            "FormatCLI",
            "ABandID",
            "InitialIncrement",
            "NextIncrement",
        ],
        take: rate,
    },
    Taker {
        table: "CarrierGateway",
        columns: &[
            "ID",
            "CarrierID",
            "Enabled",
            "Prefix",
            "Suffix",
            "ChannelVars",
            "PrivacyClass",
            "PCIZone",
            "ConcCalls",
            "MaxCPS",
            "Reliability",
            "Weight",
            "PingGateway",
            "DataCentre",
            "CarrierGroup",
            "DialString",
            "StopCauses",
        ],
        take: gateway,
    },
    Taker {
        table: "Overrides",
        columns: &["ID", "OrgID", "Prefix", "CarrierID", "Action", "Priority", "Enabled"],
        take: override_rule,
    },
    Taker { table: "ClosedLoopCarriers", columns: &["OrgID", "CarrierID"], take: closed_loop },
    Taker {
        table: "Orgs",
        columns: &[
            "OrgID",
            "HomeCountry",
            "CallCostLimit",
            "Profile",
            "RetailCarrierID",
            "MarginAbs",
            "MarginRel",
            "AllowedLoss",
        ],
        take: org,
    },
    Taker {
        table: "Formats",
        columns: &["ID", "Name", "Sequence", "Pattern", "Replacement"],
        take: format,
    },
    Taker {
        table: "DiallingRules",
        columns: &["ID", "OrgID", "Pattern", "Action", "Enabled"],
        take: dialling_rule,
    },
    Taker {
        table: "NormaliseRules",
        columns: &["Country", "Sequence", "Pattern", "Replacement"],
        take: normalise_rule,
    },
    Taker {
        table: "EmergencyNumbers",
        columns: &["Country", "Number"],
        take: |read, _, c| {
            read.rows.emergency_numbers.push((words(c[0]), words(c[1])));
            Ok(())
        },
    },
    Taker {
        table: "EmergencyGateways",
        columns: &["Country", "GatewayID", "Priority"],
        take: emergency_gateway,
    },
    Taker {
        table: "Periods",
        columns: &["Name", "TimeZone", "Days", "StartTime", "EndTime"],
        take: period,
    },
    Taker { table: "FxRates", columns: &["Currency", "Rate", "AsOf"], take: fx },
];

/// The row's own ID.
fn id(c: Cells<'_, '_>) -> Result<u32, (u32, String)> {
    whole(c[0]).ok_or_else(|| (0, bad("its ID", c[0])))
}

/// A number that the row cannot do without.
fn needed(id: u32, column: &str, text: Option<&[u8]>) -> Result<u32, (u32, String)> {
    whole(text).ok_or_else(|| (id, bad(column, text)))
}

/// A number that has a default; one that is there and cannot be read is not the default.
fn or(id: u32, column: &str, text: Option<&[u8]>, or: u32) -> Result<u32, (u32, String)> {
    if text.is_none() { Ok(or) } else { needed(id, column, text) }
}

/// Yes or no. A word that is neither is not taken for one: it would take a carrier away in silence.
fn truth(id: u32, column: &str, text: Option<&[u8]>, or: bool) -> Result<bool, (u32, String)> {
    yes_or_no(text, or).ok_or_else(|| {
        let word = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
        (id, format!("{column} {word:?} is neither YES nor NO"))
    })
}

fn bad(column: &str, text: Option<&[u8]>) -> String {
    match text {
        None => format!("{column} is null"),
        Some(text) => {
            format!("{column} \"{}\" is not a number that fits", String::from_utf8_lossy(text))
        }
    }
}

fn carrier(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let id = id(c)?;
    let kind = words(c[3]);
    read.rows.carriers.push(CarrierRow {
        id,
        name: words(c[1]),
        enabled: truth(id, "Enabled", c[2], true)?,
        kind: if kind.is_empty() { "route".to_owned() } else { kind },
        closed_loop: truth(id, "ClosedLoopCarrier", c[4], false)?,
        private_services: truth(id, "PrivateServicesCarrier", c[5], false)?,
    });
    Ok(())
}

fn band(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let id = id(c)?;
    read.rows.bands.push(BandRow {
        id,
        name: words(c[1]),
        carrier_id: needed(id, "CarrierID", c[2])?,
        kind: words(c[3]),
        country: words(c[4]),
        enabled: truth(id, "Enabled", c[5], true)?,
    });
    Ok(())
}

fn number(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let id = id(c)?;
    read.rows.numbers.push(NumberRow {
        id,
        band_id: needed(id, "BandID", c[2])?,
        org_id: or(id, "OrgID", c[4], 0)?,
        number: Digits::new(c[1].unwrap_or_default()),
        enabled: truth(id, "Enabled", c[3], true)?,
    });
    Ok(())
}

fn rate(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let id = id(c)?;
    read.rows.rates.push(RateRow {
        id,
        band_id: needed(id, "BandID", c[1])?,
        rate: decimal(c[2]),
        setup: decimal(c[3]),
        currency: words(c[4]),
        period: words(c[5]),
        start: instant(c[6]).map_err(|reason| (id, format!("Start: {reason}")))?,
        enabled: truth(id, "Enabled", c[7], true)?,
        format_number: words(c[8]),
        format_cli: words(c[9]),
        // A column that allows no nulls says 0.
        a_band_id: Some(or(id, "ABandID", c[10], 0)?).filter(|&band| band != 0),
        initial_increment_s: or(id, "InitialIncrement", c[11], 1)?,
        next_increment_s: or(id, "NextIncrement", c[12], 1)?,
    });
    Ok(())
}

fn gateway(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let id = id(c)?;
    // Reliability may be a decimal in a database that is not ours.
    let reliability = c[10].map(|text| text.split(|&b| b == b'.').next().unwrap_or_default());
    read.rows.gateways.push(GatewayRow {
        id,
        carrier_id: needed(id, "CarrierID", c[1])?,
        enabled: truth(id, "Enabled", c[2], true)?,
        prefix: words(c[3]),
        suffix: words(c[4]),
        channel_vars: words(c[5]),
        privacy_class: words(c[6]),
        pci_zone: words(c[7]),
        // A cap that cannot be read must not become no cap, so the row is lost and named.
        conc_calls: or(id, "ConcCalls", c[8], 0)?,
        max_cps: or(id, "MaxCPS", c[9], 0)?,
        reliability: or(id, "Reliability", reliability, 0)?.min(100) as u8,
        weight: or(id, "Weight", c[11], 0)?,
        // Health counts unless somebody said NO: where nobody pings there is no row of it.
        ping_gateway: words(c[12].filter(|text| !text.is_empty()).or(Some(b"YES"))),
        data_centres: words(c[13]),
        carrier_groups: words(c[14]),
        dial_string: words(c[15]),
        stop_causes: words(c[16]),
    });
    Ok(())
}

fn override_rule(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let id = id(c)?;
    read.rows.overrides.push(OverrideRow {
        id,
        org_id: or(id, "OrgID", c[1], 0)?,
        prefix: words(c[2]),
        carrier_id: needed(id, "CarrierID", c[3])?,
        action: words(c[4]),
        priority: match c[5] {
            None => 0,
            text => whole(text).ok_or_else(|| (id, bad("Priority", text)))?,
        },
        enabled: truth(id, "Enabled", c[6], true)?,
    });
    Ok(())
}

fn closed_loop(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let org = id(c)?;
    read.rows.closed_loop.push((org, needed(org, "CarrierID", c[1])?));
    Ok(())
}

fn org(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    read.rows.orgs.push(OrgRow {
        org_id: id(c)?,
        home_country: words(c[1]),
        call_cost_limit: decimal(c[2]),
        profile: words(c[3]),
        retail_carrier_id: or(id(c)?, "RetailCarrierID", c[4], 0)?,
        margin_abs: decimal(c[5]),
        margin_rel: decimal(c[6]),
        allowed_loss: decimal(c[7]),
    });
    Ok(())
}

fn format(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    read.rows.formats.push(FormatRow {
        id: or(0, "ID", c[0], 0)?,
        name: words(c[1]),
        sequence: whole(c[2]).unwrap_or(0),
        pattern: words(c[3]),
        replacement: words(c[4]),
    });
    Ok(())
}

fn dialling_rule(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let id = id(c)?;
    let action = words(c[3]);
    read.rows.dialling_rules.push(DiallingRuleRow {
        id,
        org_id: or(id, "OrgID", c[1], 0)?,
        pattern: words(c[2]),
        action: if action.is_empty() { "BLOCK".to_owned() } else { action },
        enabled: truth(id, "Enabled", c[4], true)?,
    });
    Ok(())
}

fn normalise_rule(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    read.rows.normalise_rules.push(NormaliseRow {
        country: words(c[0]),
        sequence: whole(c[1]).unwrap_or(0),
        pattern: words(c[2]),
        replacement: words(c[3]),
    });
    Ok(())
}

fn emergency_gateway(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let gateway = needed(0, "GatewayID", c[1])?;
    read.rows.emergency_gateways.push((words(c[0]), gateway, whole(c[2]).unwrap_or(0)));
    Ok(())
}

fn period(read: &mut Read, _: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let hours =
        Hours { time_zone: words(c[1]), days: words(c[2]), start: words(c[3]), end: words(c[4]) };
    read.hours.push((words(c[0]).trim().to_owned(), hours));
    Ok(())
}

fn fx(read: &mut Read, settings: &ReadSettings, c: Cells<'_, '_>) -> Taken {
    let currency = words(c[0]);
    let as_of = match c[2] {
        // Nobody says how old it is, so it cannot be called too old.
        None => settings.at,
        text => instant(text).map_err(|reason| (0, format!("{currency}: AsOf {reason}")))?,
    };
    // A date to come, by a slip or another host's clock, makes it no fresher than one of now.
    let as_of = as_of.min(settings.at);
    if settings.at - as_of > settings.fx_max_age_s {
        read.stale_fx.push(currency);
    } else {
        // The age is checked again at each call: a snapshot may outlive the rates in it.
        let until = as_of.checked_add(settings.fx_max_age_s).and_then(|last| last.checked_add(1));
        read.rows.fx.push(FxRow { currency, worth: decimal(c[1]), until });
    }
    Ok(())
}
