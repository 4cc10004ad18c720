//! See README.md beside this file.

mod by_policy;
mod service;

use std::{
    fs,
    time::{Duration, Instant},
};

use fsx_test_support::{
    place,
    rig::{Bench, Call, Rig},
    sipp::{Calls, Sipp},
    template::{self, words},
};
use serde_json::Value;
use service::{Mood, Service};

const LIMIT: Duration = Duration::from_secs(20);

/// A number whose way was looked up before everything failed, and one that nobody ever dialled.
const KNOWN: &str = "07700900123";
const UNKNOWN: &str = "07700900555";

#[test]
fn xml_from_daemon() {
    let Some(bench) = Bench::find("xml-from-daemon") else { return };
    let service = Service::start();
    let url = service.url.clone();
    let mut rig = bench.start_without_daemon(
        &[(3001, "carrier-answers.xml"), (3009, "carrier-answers.xml")],
        |daemon| {
            let path = daemon.file("fsxinetd.toml");
            let text = fs::read_to_string(&path).expect("a configuration");
            fs::write(&path, text.replace("XML_URL", &url)).expect("written");
            daemon.start();
        },
    );
    let _ = rig.generation();
    let mut phones = Phones { text: rig_file("register.xml"), n: 0 };

    // Everything is well: user, dialplan and access list are the service's.
    phones.register(&rig, "1000", 200);
    phones.register(&rig, "9999", 200);
    rig.call(&Call { number: KNOWN, ..Call::default() });
    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert!(reload_acl(&rig));
    let asked = service.asked("directory");
    assert!(
        asked.iter().any(|form| form.contains("&user=1000") && form.contains("&domain=127.0.0.1"))
    );
    assert!(
        asked[0].starts_with("hostname=") && asked[0].contains("&tag_name=domain&key_name=name")
    );
    let asked = service.asked("dialplan");
    assert!(asked[0].contains("&Hunt-Destination-Number=07700900123"), "{asked:?}");
    assert!(asked[0].contains("&variable_sip_h_X-rmOrgID=37"), "{asked:?}");

    // The service fails in every way that it can: what was good is given, and nobody waits.
    let huge = "<a/>".repeat(200_000);
    for mood in [
        Mood::Says(500, "broken".to_owned()),
        Mood::Says(200, "<html><body>be back soon</body></html>".to_owned()),
        Mood::Says(200, "<document><section name=\"directory\"><domain".to_owned()),
        Mood::Says(
            200,
            format!("<document><section name=\"dialplan\">{huge}</section></document>"),
        ),
        Mood::Slow(Duration::from_secs(3)),
    ] {
        service.is(mood.clone());
        let begun = Instant::now();
        phones.register(&rig, "1000", 200);
        rig.call(&Call { number: KNOWN, talk: Duration::from_millis(100), ..Call::default() });
        assert!(reload_acl(&rig), "{mood:?}");
        assert!(begun.elapsed() < Duration::from_secs(6), "{mood:?}: {:?}", begun.elapsed());
    }
    assert_eq!(rig.dialled_at(3001).len(), 6);
    // What was never answered is refused, and not what lies on the disk.
    service.is(Mood::Says(503, String::new()));
    phones.register(&rig, "9999", 403);
    refused(&mut rig);

    // The daemon dies too: the module's own last good answers.
    rig.daemon().kill();
    phones.register(&rig, "1000", 200);
    phones.register(&rig, "9999", 403);
    rig.call(&Call { number: KNOWN, ..Call::default() });
    assert_eq!(rig.dialled_at(3001).len(), 7);
    assert!(reload_acl(&rig));
    refused(&mut rig);
    // An emergency call needs none of them.
    rig.call(&Call { number: "999", ..Call::default() });
    assert_eq!(rig.dialled_at(3009), ["999"]);
    let counters = counters(&rig);
    for (name, least) in [("last_good", 3), ("refused", 2), ("emergency", 1), ("answered", 3)] {
        assert!(counters[name].as_u64() >= Some(least), "{name}: {counters:#}");
    }

    // The daemon comes back, the service does not: the daemon's own, from its disk.
    assert!(rig.freeswitch.api("fsx xml forget").starts_with("+OK "));
    rig.daemon().start();
    phones.register(&rig, "1000", 200);
    rig.call(&Call { number: KNOWN, ..Call::default() });
    assert_eq!(rig.dialled_at(3001).len(), 8);

    // All is well again, and one user is gone: for good, whatever fails next.
    service.is(Mood::Without("1000"));
    std::thread::sleep(Duration::from_millis(1_100)); // The daemon lets a failed service rest.
    phones.register(&rig, "1000", 403);
    service.is(Mood::Says(500, String::new()));
    phones.register(&rig, "1000", 403);
    rig.daemon().kill();
    phones.register(&rig, "1000", 403);
    rig.daemon().start();
    rig.close();
}

/// A number that no last good answer is for is refused as a temporary failure. FreeSWITCH says 503, of
/// which a proxy makes 500 (RFC 3261, 16.7).
fn refused(rig: &mut Rig) {
    let file = "caller-refused.xml";
    rig.call(&Call { file, number: UNKNOWN, status: 500, ..Call::default() });
}

/// Reads the access lists again; whether the service's is among them.
fn reload_acl(rig: &Rig) -> bool {
    let said = rig.freeswitch.api("reloadacl");
    assert!(said.contains("+OK"), "{said}");
    rig.freeswitch.api("acl 10.9.1.1 cloud").trim() == "true"
}

fn counters(rig: &Rig) -> Value {
    let said = rig.freeswitch.api("fsx xml as json");
    let value: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    value["counters"].clone()
}

fn rig_file(name: &str) -> String {
    let path = place::source(&format!("tests/scenarios/xml-from-daemon/{name}"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Phones that register, one after the other.
struct Phones {
    text: String,
    n: u32,
}

impl Phones {
    fn register(&mut self, rig: &Rig, user: &str, status: u16) {
        self.n += 1;
        let name = format!("phone{}", self.n);
        let filled = template::fill(
            "register.xml",
            &self.text,
            &words([("STATUS", status.to_string()), ("USER", user.to_owned())]),
        );
        let file = rig.run.write(&format!("sipp/{name}.xml"), &filled);
        let calls = Calls {
            to_port: rig.freeswitch.sip_port(),
            number: user,
            talk: Duration::ZERO,
            calls: 1,
            rate: 1,
            keys: &[],
            limit: LIMIT,
        };
        let sipp = place::sipp().expect("the bench found it");
        let mut phone = Sipp::caller(&sipp, &rig.run, &name, &file, &calls);
        assert_eq!(phone.finish(LIMIT), 0, "SIPp's exit code: {user} expecting {status}");
    }
}
