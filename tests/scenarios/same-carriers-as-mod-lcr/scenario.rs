//! See README.md beside this file.

use fsx_test_support::{deck::Deck, rig::Bench, rig::Rig, skip::skip};
use serde_json::Value;

/// mod_lcr's tables with the rows of the common deck, as its documentation gives them.
const THEIRS: &str = "
CREATE TABLE carriers (id INTEGER PRIMARY KEY, carrier_name VARCHAR(255), enabled BOOLEAN DEFAULT 1);
CREATE TABLE carrier_gateway (id INTEGER PRIMARY KEY, carrier_id INTEGER, prefix VARCHAR(128) DEFAULT '',
    suffix VARCHAR(128) DEFAULT '', codec VARCHAR(128) DEFAULT '', enabled BOOLEAN DEFAULT 1);
CREATE TABLE lcr (id INTEGER PRIMARY KEY, digits VARCHAR(15), rate FLOAT, intrastate_rate FLOAT,
    intralata_rate FLOAT, carrier_id INTEGER, lead_strip INTEGER DEFAULT 0, trail_strip INTEGER DEFAULT 0,
    prefix VARCHAR(16) DEFAULT '', suffix VARCHAR(16) DEFAULT '', lcr_profile INTEGER DEFAULT 0,
    date_start DATETIME DEFAULT '1970-01-01', date_end DATETIME DEFAULT '2037-12-31',
    quality FLOAT DEFAULT 0, reliability FLOAT DEFAULT 0, cid VARCHAR(32) DEFAULT '',
    enabled BOOLEAN DEFAULT 1, lrn BOOLEAN DEFAULT 0);
INSERT INTO carriers (id, carrier_name) VALUES (101, 'Alpha'), (102, 'Beta'), (103, 'Gamma'), (110, 'Delta');
INSERT INTO carrier_gateway (id, carrier_id, prefix) VALUES (3001, 101, 'sofia/gateway/gw3001/'),
    (3002, 102, 'sofia/gateway/gw3002/'), (3003, 103, 'sofia/gateway/gw3003/'), (3010, 110, 'sofia/gateway/gw3010/');
INSERT INTO lcr (digits, rate, carrier_id) VALUES
    ('447700', 0.0125, 101), ('4477', 0.02, 102), ('447701', 0.01, 103), ('44780', 0.03, 101), ('44780', 0.02, 102),
    ('44790', 0.03, 101), ('4479', 0.001, 110),
    ('448111', 0.01, 101), ('44811', 0.05, 102), ('4481', 0.03, 103), ('448', 0.02, 110), ('44820', 0.01, 111);
INSERT INTO carriers (id, carrier_name) VALUES (111, 'Ep & Si');
INSERT INTO carrier_gateway (id, carrier_id, prefix) VALUES (3011, 111, 'sofia/gateway/gw3011/');";

/// The same in our tables, beside the common deck's rows.
const OURS: &str = "
UPDATE LCRRates SET Setup = '0';
INSERT INTO Carriers (ID, CarrierName, Type) VALUES (110, 'Delta', 'route'), (111, 'Ep & Si', 'route');
INSERT INTO CarrierGateway (ID, CarrierID, PingGateway) VALUES (3010, 110, 'NO'), (3011, 111, 'NO');
INSERT INTO Bands (ID, BandName, CarrierID, Type, CountryCode) VALUES
    (511, 'A', 101, 'Mobile', 'GB'), (512, 'B', 102, 'Mobile', 'GB'), (513, 'C', 110, 'Mobile', 'GB'),
    (521, 'D', 101, 'Mobile', 'GB'), (522, 'E', 102, 'Mobile', 'GB'), (523, 'F', 103, 'Mobile', 'GB'),
    (524, 'G', 110, 'Mobile', 'GB'), (525, 'H', 111, 'Mobile', 'GB');
INSERT INTO Numbers (ID, Number, BandID) VALUES
    (9011, '44780', 511), (9012, '44780', 512), (9013, '44790', 511), (9014, '4479', 513),
    (9021, '448111', 521), (9022, '44811', 522), (9023, '4481', 523), (9024, '448', 524), (9025, '44820', 525);
INSERT INTO LCRRates (ID, BandID, Rate, Setup, Currency, Start) VALUES
    (20011, 511, '0.03', '0', 'GBP', '2026-01-01 00:00:00'), (20012, 512, '0.02', '0', 'GBP', '2026-01-01 00:00:00'),
    (20013, 513, '0.001', '0', 'GBP', '2026-01-01 00:00:00'), (20021, 521, '0.01', '0', 'GBP', '2026-01-01 00:00:00'),
    (20022, 522, '0.05', '0', 'GBP', '2026-01-01 00:00:00'), (20023, 523, '0.03', '0', 'GBP', '2026-01-01 00:00:00'),
    (20024, 524, '0.02', '0', 'GBP', '2026-01-01 00:00:00'), (20025, 525, '0.01', '0', 'GBP', '2026-01-01 00:00:00');";

/// Prefix, carrier and rate of each route.
type Routes = Vec<[String; 3]>;

#[test]
fn same_carriers_as_mod_lcr() {
    const SCENARIO: &str = "same-carriers-as-mod-lcr";
    let Some(bench) = Bench::find(SCENARIO) else { return };
    let mut rig = bench.start(&[]);
    Deck::at(&rig.daemon().file("mod_lcr.sqlite")).run(THEIRS);
    let old = rig.generation();
    rig.daemon().deck.run(OURS);
    let _ = rig.wait_for_generation_after(old, std::time::Duration::from_secs(10));
    let loaded = rig.freeswitch.api("load mod_lcr");
    if !loaded.contains("+OK") {
        skip(SCENARIO, &format!("this FreeSWITCH has no mod_lcr: {}", loaded.trim()));
        return;
    }

    for (number, carriers) in [
        ("447700900123", &["Alpha", "Beta"][..]),
        ("447701900123", &["Gamma", "Beta"]),
        ("447799000000", &["Beta"]),
        ("447800000000", &["Beta", "Alpha"]),
        ("33140000000", &[]),
    ] {
        let (ours, theirs) = (fsx(&rig, number), mod_lcr(&rig, number));
        let named: Vec<&str> = ours.iter().map(|route| route[1].as_str()).collect();
        assert_eq!(named, carriers, "{number}");
        assert_eq!(ours, theirs, "{number}");
    }

    // The dearer carrier by thirty times comes first, for its prefix is one digit longer.
    let (ours, mut theirs) = (fsx(&rig, "447900000000"), mod_lcr(&rig, "447900000000"));
    assert_eq!(ours[0], ["4479", "Delta", "0.00100"]);
    assert_eq!(theirs[0], ["44790", "Alpha", "0.03000"]);
    theirs.reverse();
    assert_eq!(ours, theirs, "the same routes in the other order");

    // Told to sort by rate, it loses the cheapest: a row put into the middle of its list forgets those
    // before it.
    let carriers =
        |routes: Routes| -> Vec<String> { routes.into_iter().map(|[_, c, _]| c).collect() };
    assert_eq!(carriers(fsx(&rig, "448111000000")), ["Alpha", "Delta", "Gamma", "Beta"]);
    let theirs = carriers(mod_lcr_by(&rig, "448111000000", "reorder"));
    assert_eq!(theirs, ["Delta", "Gamma", "Beta"], "mod_lcr lost Alpha, the cheapest");

    // Its XML is none: names as they are, and no routes in two tags that do not match.
    let theirs = rig.freeswitch.api("lcr 448200000000 default 442079460000 as xml");
    assert!(theirs.contains("<carrier_name>Ep & Si</carrier_name>"), "{theirs}");
    let ours = rig.freeswitch.api("fsx route +448200000000 org=37 as xml");
    assert!(ours.contains("<carrier>Ep &amp; Si</carrier>"), "{ours}");
    let theirs = rig.freeswitch.api("lcr 33140000000 default 442079460000 as xml");
    assert_eq!(theirs.trim(), "<result row_count=\"0\">\n</results>");
    rig.close();
}

fn fsx(rig: &Rig, number: &str) -> Routes {
    let text = rig.freeswitch.api(&format!("fsx route +{number} org=37 as json"));
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let routes = answer["routes"].as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let five = |rate: String| format!("{:.5}", rate.parse::<f64>().unwrap_or_default());
    routes
        .iter()
        .map(|r| [word(&r["prefix"]), word(&r["carrier"]), five(word(&r["rate"]))])
        .collect()
}

/// The first three columns of mod_lcr's table.
fn mod_lcr(rig: &Rig, number: &str) -> Routes {
    mod_lcr_by(rig, number, "default")
}

fn mod_lcr_by(rig: &Rig, number: &str, profile: &str) -> Routes {
    let text = rig.freeswitch.api(&format!("lcr {number} {profile} 442079460000"));
    if text.starts_with("No Routes To Display") {
        return Vec::new();
    }
    assert!(text.starts_with(" | Digit Match"), "{text}");
    text.lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().to_owned());
            [(); 3].map(|()| cells.next().unwrap_or_default())
        })
        .collect()
}
