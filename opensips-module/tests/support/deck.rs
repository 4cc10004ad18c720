//! A small routing file: three carriers for UK mobiles, one emergency gateway.

use std::{fs, path::Path};

use fsx_core::Country;
use fsx_snapshot::{
    BuildSettings, build,
    rows::{
        BandRow, CarrierRow, DiallingRuleRow, FxRow, GatewayRow, NormaliseRow, NumberRow, OrgRow,
        RateRow, Rows,
    },
};

/// What differs from one file to another.
#[derive(Clone, Copy)]
pub(crate) struct Deck {
    pub(crate) generation: u64,
    /// Carrier 101's price; the others are 0.02 and 0.03.
    pub(crate) first_price: &'static str,
}

pub(crate) const DECK: Deck = Deck { generation: 12, first_price: "0.01" };

impl Deck {
    pub(crate) fn bytes(self) -> Vec<u8> {
        let prices = [self.first_price, "0.02", "0.03"];
        let mut rows = Rows::default();
        for (n, price) in (1..).zip(prices) {
            rows.carriers.push(CarrierRow {
                id: 100 + n,
                name: format!("Carrier\t{n}"),
                enabled: true,
                kind: "route".to_owned(),
                ..CarrierRow::default()
            });
            rows.bands.push(BandRow {
                id: 500 + n,
                name: "UK Mobile".to_owned(),
                carrier_id: 100 + n,
                enabled: true,
                ..BandRow::default()
            });
            rows.numbers.push(NumberRow {
                id: n,
                band_id: 500 + n,
                org_id: 0,
                number: fsx_core::digits::Digits::new(b"447"),
                enabled: true,
            });
            rows.rates.push(RateRow {
                id: 20_000 + n,
                band_id: 500 + n,
                rate: price.to_owned(),
                currency: "GBP".to_owned(),
                enabled: true,
                initial_increment_s: 1,
                next_increment_s: 1,
                ..RateRow::default()
            });
            rows.gateways.push(GatewayRow {
                id: 3000 + n,
                carrier_id: 100 + n,
                enabled: true,
                prefix: "00".to_owned(),
                channel_vars: "a=1,b=2".to_owned(),
                ping_gateway: "YES".to_owned(),
                dial_string: match n {
                    1 => "sip:${number}@198.51.100.1:5060".to_owned(),
                    2 => "sofia/external/${number}@198.51.100.2".to_owned(),
                    _ => String::new(),
                },
                ..GatewayRow::default()
            });
        }
        rows.carriers.push(CarrierRow {
            id: 104,
            name: "Emergency".to_owned(),
            enabled: true,
            kind: "route".to_owned(),
            ..CarrierRow::default()
        });
        rows.gateways.push(GatewayRow {
            id: 3112,
            carrier_id: 104,
            enabled: true,
            dial_string: "sip:${number}@198.51.100.112".to_owned(),
            ..GatewayRow::default()
        });
        let worth = FxRow { currency: "GBP".to_owned(), worth: "1".to_owned(), until: None };
        rows.fx.push(worth);
        rows.orgs.push(OrgRow { org_id: 37, home_country: "GB".to_owned(), ..OrgRow::default() });
        rows.emergency_gateways.push(("GB".to_owned(), 3112, 1));
        rows.normalise_rules.push(NormaliseRow {
            country: "GB".to_owned(),
            sequence: 1,
            pattern: r"^0([1-9]\d{9})$".to_owned(),
            replacement: "44$1".to_owned(),
        });
        rows.dialling_rules.push(DiallingRuleRow {
            id: 9,
            org_id: 37,
            pattern: "^4479".to_owned(),
            action: "BLOCK".to_owned(),
            enabled: true,
        });
        let settings = BuildSettings {
            generation: self.generation,
            home_country: Country::new(b"GB"),
            ..BuildSettings::default()
        };
        build(&rows, &settings).expect("a sound deck").bytes
    }

    /// Puts the file at `path` as a publisher does: beside it, then renamed over it.
    pub(crate) fn publish(self, path: &Path) {
        publish(path, &self.bytes());
    }
}

/// Publishes any bytes.
pub(crate) fn publish(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).expect("written");
    fs::rename(&beside, path).expect("renamed");
}
