//! XML look-ups through the module, in the stand-in: what is asked, and what is answered when nobody
//! answers. The same against FreeSWITCH: `tests/scenarios/xml-*`.

#[allow(dead_code)] // Other tests use the rest of it.
mod support;

use support::{Daemon, Host, Script};

/// The section of `<xml>`, and a daemon.
fn script(params: &[(&str, &str)]) -> Script {
    let mut script = Script::with_data();
    for (name, value) in params {
        script.param("xml", name, value);
    }
    script
}

fn user(host: &Host, user: &str) -> String {
    let said = host.say(&format!(
        "lookup\tdirectory\tdomain\tname\tpbx\tuser\t{user}\tdomain\tpbx\tnonce\t{}",
        std::process::id()
    ));
    let tree = said.lines().find_map(|line| line.strip_prefix("tree ")).unwrap_or(&said);
    tree.to_owned()
}

const REFUSED: &str = "<document type=\"freeswitch/xml\"><section name=\"directory\"><domain \
                       name=\"pbx\"/></section></document>";

#[test]
fn nothing_is_bound_unless_the_configuration_says_so() {
    let host = Host::start(&Script::with_data());
    assert_eq!(user(&host, "1000"), "not bound\n");
    assert!(host.api("xml").contains("none bound"), "{}", host.api("xml"));
    host.end();
}

#[test]
fn what_is_not_asked_for_goes_to_the_next_source_unseen() {
    let mut script = script(&[("configuration", "refuse"), ("configuration-files", "acl.conf")]);
    let daemon = Daemon::start(&mut script, None);
    let host = Host::start(&script);
    for asked in [
        "directory\tdomain\tname\tpbx",
        "configuration\tconfiguration\tname\tfsx.conf",
        "configuration\tconfiguration\tname\tsofia.conf",
        "dialplan\t-\t-\t-",
        "-\t-\t-\t-",
        "chatplan",
    ] {
        assert_eq!(host.say(&format!("lookup\t{asked}")), "tree none\n", "{asked}");
    }
    let said = host.say("lookup\tconfiguration\tconfiguration\tname\tacl.conf");
    assert!(said.contains("<configuration name=\"acl.conf\"/> of 0 params"), "{said}");
    assert!(host.api("xml as json").contains("\"asked\":1"), "{}", host.api("xml as json"));
    host.end();
    daemon.end();
}

#[test]
fn the_last_good_answer_then_a_refusal() {
    let mut script = script(&[("directory", "last-good,refuse"), ("timeout-ms", "100")]);
    let daemon = Daemon::start(&mut script, None);
    let host = Host::start(&script);
    assert!(user(&host, "1000").contains("1000 of 3 params"));
    assert_eq!(user(&host, "nobody"), "none");
    assert_eq!(user(&host, "no-result"), "none");
    for bad in [
        "failed",
        "garbage",
        "entities",
        "trips-the-parser",
        "without-what-was-asked-for",
        "silent",
    ] {
        assert_eq!(user(&host, bad), REFUSED, "{bad}");
    }
    daemon.end();
    std::fs::remove_file(script.path("decide.sock")).expect("it was there");
    assert!(user(&host, "1000").contains("1000 of 3 params"), "from memory");
    assert_eq!(user(&host, "1001"), REFUSED);
    assert_eq!(user(&host, "nobody"), REFUSED, "not known not to be there any more");
    let said = host.api("xml as json");
    for count in ["\"last_good\":1", "\"refused\":8", "\"not_found\":2", "\"kept\":1"] {
        assert!(said.contains(count), "{count}: {said}");
    }
    assert_eq!(host.api("xml forget"), "+OK 1 last good answers forgotten\n");
    assert_eq!(user(&host, "1000"), REFUSED);
    host.end();
}

#[test]
fn what_the_daemon_remembers_is_as_old_as_it_is() {
    let mut script =
        script(&[("directory", "last-good,refuse"), ("timeout-ms", "100"), ("last-good-s", "60")]);
    let daemon = Daemon::start(&mut script, None);
    let host = Host::start(&script);
    let said = host.say("lookup\tdirectory\tdomain\tname\tpbx\tuser\tlast-good-50");
    assert!(said.contains("last-good-50 of 1 params"), "{said}");
    assert!(said.contains("does not answer; the answer of 50 s ago is used"), "{said}");
    let said = host.say("lookup\tdirectory\tdomain\tname\tpbx\tuser\tlast-good-61");
    assert!(said.contains("its last good answer is 61 s old; refused"), "{said}");
    let said = host.api("xml as json");
    for count in ["\"last_good\":1", "\"answered\":0", "\"refused\":1"] {
        assert!(said.contains(count), "{count}: {said}");
    }
    host.end();
    daemon.end();
}

#[test]
fn without_last_good_the_next_source_is_asked() {
    let mut script = script(&[("directory", "next")]);
    let daemon = Daemon::start(&mut script, None);
    let host = Host::start(&script);
    assert!(user(&host, "1000").contains("1000 of 3 params"));
    daemon.end();
    assert_eq!(user(&host, "1000"), "none");
    host.end();
}

#[test]
fn a_silent_daemon_is_left_alone_for_a_while() {
    let mut script = script(&[("directory", "refuse"), ("timeout-ms", "60")]);
    let daemon = Daemon::start(&mut script, None);
    let host = Host::start(&script);
    for _ in 0..3 {
        assert_eq!(user(&host, "silent"), REFUSED);
    }
    let begun = std::time::Instant::now();
    for _ in 0..50 {
        assert_eq!(user(&host, "1000"), REFUSED);
    }
    assert!(begun.elapsed().as_millis() < 900, "they waited: {:?}", begun.elapsed());
    assert!(host.api("xml as json").contains("\"asked\":3"));
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert!(user(&host, "1000").contains("1000 of"), "asked again");
    host.end();
    daemon.end();
}

#[test]
fn an_emergency_call_waits_for_no_dialplan() {
    let mut script = script(&[("dialplan", "refuse")]);
    let daemon = Daemon::start(&mut script, None);
    let host = Host::start(&script);
    let dial = |number: &str| {
        host.say(&format!(
            "lookup\tdialplan\t-\t-\t-\tHunt-Context\tphones\tHunt-Destination-Number\t{number}\tvariable_rmHCDCode\tGB"
        ))
    };
    let said = dial("999");
    assert!(said.contains("<context name=\"phones\"><extension name=\"fsx_emergency\">"), "{said}");
    assert!(dial("07700900123").contains(" of 3 params"));
    daemon.end();
    assert!(dial("999").contains("fsx_emergency"));
    let said = dial("07700900123");
    assert!(said.contains("fsx_no_answer") && said.contains("NORMAL_TEMPORARY_FAILURE"), "{said}");
    host.end();
}

#[test]
fn whatever_is_asked_is_answered() {
    let mut script = script(&[("directory", "last-good,refuse")]);
    let daemon = Daemon::start(&mut script, None);
    let host = Host::start(&script);
    let long = "x".repeat(64 << 10);
    let many = (0..8).map(|n| format!("\tn{n}\t{long}")).collect::<String>();
    let said = host.say(&format!("lookup\tdirectory\tdomain\tname\t{long}{many}"));
    // Six of 64 KiB are more than a message may carry; the others go.
    assert!(said.contains(" of 3 params"), "{}", &said[said.len() - 200..]);
    host.end();
    daemon.end();
    let mut script = self::script(&[("directory", "refuse")]);
    script.panic_at = Some("xml.search");
    let host = Host::start(&script);
    assert!(host.say("lookup\tdirectory\tdomain\tname\tpbx").contains("tree none"));
    host.end();
}
