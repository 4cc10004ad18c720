//! A policy's outcome as what FreeSWITCH is sent: one write, after which it needs us no more.
//!
//! A policy that only sets variables leaves the dialplan to go on: the sets are sent as commands and
//! the conversation ends. Anything else takes the call over: the call is transferred into the list
//! of actions (`xferext`), which the switch then runs by itself, failover included.

use fsx_wire::answer::Route;
use fsx_wire::esl::{self, Action, Unsendable};

use crate::policy::screen::is_annotation;
use crate::policy::{Outcome, Verdict};

/// The bytes for `outcome`.
///
/// # Errors
/// What cannot be sent as meant; nothing of it is to be sent then.
pub fn bytes(outcome: &Outcome) -> Result<Vec<u8>, Unsendable> {
    let mut actions = outcome.actions.clone();
    match &outcome.verdict {
        Verdict::Keep if leaves_the_call(outcome) => {
            let mut out = Vec::new();
            for action in &actions {
                action.check()?;
                out.extend(esl::execute(action)?);
            }
            out.extend_from_slice(esl::EXIT);
            return Ok(out);
        }
        Verdict::Keep => {}
        Verdict::Reject { cause, .. } => actions.push(Action::new("hangup", cause.to_string())),
        Verdict::Route(answer) => bridges(&answer.routes, &mut actions),
    }
    esl::transfer_and_exit(&actions)
}

/// Channel variable that says which policy had the call; what makes the call's record takes it from
/// there.
const VERSION: &str = "fsx_policy_version";

/// The bytes that note the policy's version on the call.
#[must_use]
pub(super) fn mark(version: &str) -> Vec<u8> {
    if version.is_empty() {
        return Vec::new();
    }
    esl::execute(&Action::new("set", format!("{VERSION}={version}"))).unwrap_or_default()
}

/// The dialplan goes on: there is nothing to do but to note things down.
pub(super) fn leaves_the_call(outcome: &Outcome) -> bool {
    outcome.verdict == Verdict::Keep && outcome.actions.iter().all(is_annotation)
}

/// One bridge a route, each with its own list of causes that end the call; the causes that are not
/// on the list go on to the next.
fn bridges(routes: &[Route], actions: &mut Vec<Action>) {
    actions.push(Action::new("set", "hangup_after_bridge=true"));
    // It would win over failure_causes.
    actions.push(Action::new("unset", "continue_on_fail"));
    for route in routes {
        let causes = stop_causes(&route.stop_causes);
        actions.push(Action::new("set", format!("failure_causes={causes}")));
        actions.push(Action::new("bridge", dial(route)));
    }
    actions.push(Action::new("hangup", "${originate_disposition}"));
}

/// Q.850 causes after which the next gateway is not tried, as FreeSWITCH reads them. The default is
/// the engine's; SIP statuses are given as the causes that FreeSWITCH makes of them.
fn stop_causes(own: &str) -> String {
    let given = own.split(',').map(str::trim).filter_map(|word| word.parse::<u16>().ok());
    let listed: Vec<u16> =
        given.map(|cause| if cause < 128 { cause } else { q850(cause) }).collect();
    let mut causes: Vec<u16> =
        (1..=127).filter(|cause| fsx_core::cause::stops("", *cause, 0)).collect();
    if !own.trim().is_empty() {
        causes = listed;
        // An answered call has ended, whatever a gateway's list says.
        causes.push(fsx_core::cause::NORMAL_CLEARING);
    }
    causes.push(fsx_core::cause::ORIGINATOR_CANCEL);
    causes.sort_unstable();
    causes.dedup();
    causes.iter().map(u16::to_string).collect::<Vec<_>>().join(",")
}

/// What FreeSWITCH makes of a SIP status; 0, which no call ends with, where it is not in its table.
fn q850(status: u16) -> u16 {
    match status {
        401 | 402 | 403 | 407 | 603 | 607 => 21,
        404 | 485 | 604 => 1,
        408 | 504 => 102,
        410 => 22,
        413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
        480 => 18,
        483 => 25,
        484 => 28,
        486 | 600 => 17,
        488 | 606 => 88,
        487 => fsx_core::cause::ORIGINATOR_CANCEL,
        500 | 503 => 41,
        501 => 79,
        502 => 38,
        _ => 0,
    }
}

/// The variables of a route's own leg.
pub(crate) fn dial_vars(route: &Route) -> Vec<(String, String)> {
    let mut vars: Vec<(String, String)> =
        route.vars.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut add = |name: &str, value: String| vars.push((name.to_owned(), value));
    if route.withhold_cli {
        add("origination_privacy", "hide_name+hide_number+screen".to_owned());
    }
    if !route.cli.is_empty() {
        add("origination_caller_id_number", route.cli.clone());
    }
    add("fsx_gateway_id", route.gateway_id.to_string());
    add("fsx_carrier_id", route.carrier_id.to_string());
    // A value with one of these would end the list, the leg or the variable early.
    vars.retain(|(name, value)| {
        let fits =
            |text: &str| !text.contains(['[', ']', '|', '\'', '\\', '\n']) && !text.contains("${");
        fits(name) && fits(value) && !name.contains(['=', ' '])
    });
    vars
}

/// The dial string with the variables of its own leg before it.
fn dial(route: &Route) -> String {
    let vars = dial_vars(route);
    // Values may hold commas (lists of codecs do), so the list says which separator it uses.
    let separator = ['!', ';', '~', '#'].into_iter().find(|mark| {
        vars.iter().all(|(name, value)| !name.contains(*mark) && !value.contains(*mark))
    });
    let Some(mark) = separator else { return route.dial_string.clone() };
    let list: Vec<String> = vars.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("[^^{mark}{}]{}", list.join(&mark.to_string()), route.dial_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fsx_wire::answer::RouteAnswer;

    fn text(verdict: Verdict, actions: &[(&str, &str)]) -> String {
        let outcome = Outcome {
            xml: None,
            policy_version: String::new(),
            verdict,
            vars: Default::default(),
            actions: actions.iter().map(|(app, data)| Action::new(*app, *data)).collect(),
        };
        String::from_utf8(bytes(&outcome).expect("sendable")).expect("text")
    }

    #[test]
    fn keeping_leaves_the_dialplan_to_go_on() {
        assert_eq!(text(Verdict::Keep, &[]), "exit\n\n");
        assert_eq!(
            text(Verdict::Keep, &[("set", "a=1"), ("unset", "b")]),
            "sendmsg\ncall-command: execute\nexecute-app-name: set\ncontent-type: text/plain\n\
             content-length: 3\n\na=1sendmsg\ncall-command: execute\nexecute-app-name: unset\n\
             content-type: text/plain\ncontent-length: 1\n\nbexit\n\n"
        );
        assert_eq!(
            text(Verdict::Keep, &[("answer", ""), ("playback", "x.wav")]),
            "sendmsg\ncall-command: xferext\napplication: answer\napplication: playback x.wav\n\n\
             exit\n\n"
        );
    }

    #[test]
    fn refusing_and_routing() {
        assert_eq!(
            text(Verdict::Reject { cause: 21, reason: String::new() }, &[("set", "a=1")]),
            "sendmsg\ncall-command: xferext\napplication: set a=1\napplication: hangup 21\n\nexit\n\n"
        );
        let route = Route {
            gateway_id: 3001,
            carrier_id: 101,
            dial_string: "sofia/gateway/gw3001/447700900123".to_owned(),
            cli: "442079460000".to_owned(),
            withhold_cli: true,
            stop_causes: "486, 21".to_owned(),
            vars: [("absolute_codec_string", "PCMA,PCMU"), ("bad", "a]b")]
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .into(),
            ..Route::default()
        };
        let second = Route { dial_string: "sofia/gateway/gw2/44".to_owned(), ..Route::default() };
        let answer = RouteAnswer { routes: vec![route, second], ..RouteAnswer::default() };
        assert_eq!(
            text(Verdict::Route(Box::new(answer)), &[]),
            "sendmsg\ncall-command: xferext\n\
             application: set hangup_after_bridge=true\n\
             application: unset continue_on_fail\n\
             application: set failure_causes=16,17,21,487\n\
             application: bridge [^^!absolute_codec_string=PCMA,PCMU!\
             origination_privacy=hide_name+hide_number+screen!\
             origination_caller_id_number=442079460000!fsx_gateway_id=3001!fsx_carrier_id=101]\
             sofia/gateway/gw3001/447700900123\n\
             application: set failure_causes=1,16,17,18,19,20,21,22,28,487\n\
             application: bridge [^^!fsx_gateway_id=0!fsx_carrier_id=0]sofia/gateway/gw2/44\n\
             application: hangup ${originate_disposition}\n\nexit\n\n"
        );
    }

    #[test]
    fn what_cannot_be_sent_is_not_sent_in_part() {
        let outcome = Outcome {
            xml: None,
            policy_version: String::new(),
            verdict: Verdict::Keep,
            vars: Default::default(),
            actions: vec![Action::new("set", "a=1"), Action::new("set", "b=1\nc")],
        };
        assert!(bytes(&outcome).is_err());
    }
}
