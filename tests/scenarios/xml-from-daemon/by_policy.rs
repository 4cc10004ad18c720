//! The same look-ups, answered by a policy instead of a service.

use std::{fs, time::Instant};

use super::*;

#[test]
fn xml_from_a_policy() {
    let Some(bench) = Bench::find("xml-from-daemon") else { return };
    let mut rig = bench.start_without_daemon(&[(3001, "carrier-answers.xml")], |daemon| {
        let path = daemon.file("fsxinetd.toml");
        let mut text = fs::read_to_string(&path).expect("a configuration");
        for (section, policy) in [("dialplan", "dialplan"), ("directory", "users")] {
            let by_service = format!("[xml.{section}]\nurl = \"XML_URL\"");
            assert!(text.contains(&by_service), "{text}");
            text = text.replace(&by_service, &format!("[xml.{section}]\npolicy = \"{policy}\""));
        }
        let text = text.replace("[xml.configuration]\nurl = \"XML_URL\"\n", "");
        let text = text.replace("credentials = \"switch:secret\"\n", "");
        fs::write(&path, text).expect("written");
        daemon.start();
    });
    let _ = rig.generation();
    let mut phones = Phones { text: rig_file("register.xml"), n: 0 };

    phones.register(&rig, "1000", 200);
    rig.call(&Call { number: KNOWN, ..Call::default() });
    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert!(rig.freeswitch.log(&rig.run).contains("a policy says how 07700900123 goes"));
    // The policy has nothing of this one; the disk does.
    phones.register(&rig, "9999", 200);

    // A daemon that hangs: what was good is given when the deadline has passed, the rest refused.
    rig.daemon().hang(true);
    let begun = Instant::now();
    phones.register(&rig, "1000", 200);
    rig.call(&Call { number: KNOWN, talk: Duration::from_millis(100), ..Call::default() });
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(rig.dialled_at(3001).len(), 2);
    refused(&mut rig);
    let counters = counters(&rig);
    assert!(counters["last_good"].as_u64() >= Some(2), "{counters:#}");
    assert!(counters["refused"].as_u64() >= Some(1), "{counters:#}");

    rig.daemon().hang(false);
    std::thread::sleep(Duration::from_millis(1_100)); // After three in vain none is sent for a second.
    rig.call(&Call { number: UNKNOWN, ..Call::default() });
    assert!(rig.freeswitch.log(&rig.run).contains("a policy says how 07700900555 goes"));
    assert_eq!(rig.dialled_at(3001).len(), 3);
    rig.close();
}
