//! See README.md beside this file.

use std::time::Duration;

use fsx_test_support::{
    rig::{Bench, Call},
    wait,
};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn lcr_dialplan_unchanged() {
    let Some(bench) = Bench::find("lcr-dialplan-unchanged") else { return };
    let mut rig = bench.start(&[(3001, "carrier-503.xml"), (3002, "carrier-answers.xml")]);
    let old = rig.generation();
    rig.daemon().deck.run(
        "UPDATE CarrierGateway SET ChannelVars = 'absolute_codec_string=PCMU,PCMA' WHERE ID = 3002",
    );
    let _ = rig.wait_for_generation_after(old, LIMIT);

    let mut caller = rig.begin(&Call { talk: Duration::from_secs(2), ..Call::default() });
    let _ = caller.wait_for("SIP/2.0 200", LIMIT);
    // `import` brings the answering carrier's name to the caller's leg, the inbound one.
    let carrier = wait::until("the caller's leg to know its carrier", LIMIT, || {
        let channels = rig.freeswitch.api("show channels");
        let line = channels.lines().find(|line| line.contains(",inbound,"))?;
        let uuid = line.split(',').next()?;
        let carrier = rig.freeswitch.api(&format!("uuid_getvar {uuid} lcr_carrier"));
        Some(carrier.trim().to_owned()).filter(|carrier| carrier != "_undef_")
    });
    assert_eq!(carrier, "Beta");
    assert_eq!(caller.finish(LIMIT), 0);
    assert_eq!(rig.dialled_at(3001), ["447700900123"]);
    assert_eq!(rig.dialled_at(3002), ["00447700900123"]);
    let invite = rig.carriers[&3002].calls_received().remove(0).text;
    assert!(invite.contains(" RTP/AVP 0 8"), "both codecs, in the gateway's order: {invite}");
    let log = rig.freeswitch.log(&rig.run);
    assert!(log.contains("routes 2: Alpha at 0.01250, Beta at 0.02000"));

    let printed = rig.freeswitch.api("lcr 07700900123 default");
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with(" | Digit Match | Carrier | Rate     | Codec"), "{printed}");
    assert!(lines[1].starts_with(" | 447700      | Alpha   | 0.01250  | PCMA"), "{printed}");
    assert!(lines[2].starts_with(" | 4477        | Beta    | 0.02000  | PCMU,PCMA"), "{printed}");
    let xml = rig.freeswitch.api("lcr 07700900123 default as xml");
    assert!(xml.starts_with("<result>\n  <row id=\"1\">\n    <prefix>447700</prefix>"), "{xml}");
    assert_eq!(
        rig.freeswitch.api("lcr 12 default as xml").trim_end(),
        "<result row_count=\"0\">\n</result>"
    );
    let profiles = rig.freeswitch.api("lcr_admin show profiles");
    assert!(profiles.starts_with("Name:\t\tdefault\n"), "{profiles}");
    rig.close();
}
