//! Answers of the engine in a policy's hands: looked at, changed, picked from, or just returned.

use fsx_wire::answer::Route;
use serde_json::json;

use super::tests::{bundle, stage};
use super::*;
use crate::policy::Verdict;

const MANIFEST: &str = "version = \"1\"\n[route]\ndefault = \"x.lua:decide\"\n";

/// What the policy of `whose` comes to, which is `text`, where the engine has two routes.
async fn decided(whose: &str, text: &str) -> Result<Vec<Route>, String> {
    let routes = json!([
        {"carrier": "Alpha", "gateway_id": 1, "rate_id": 11, "rate": "0.0100", "currency": "GBP",
         "dial_string": "sofia/gateway/a/4420", "vars": {"sip_contact_user": "44"}, "stop_causes": "17"},
        {"carrier": "Beta", "gateway_id": 2, "rate_id": 22, "rate": "0.0200", "currency": "GBP",
         "dial_string": "sofia/gateway/b/4420", "withhold_cli": true, "initial_increment_s": 60},
    ]);
    let scene = json!({"phase": "route", "number": "442079460000", "routes": routes});
    let scene = Scene::from_json(&[scene]).expect("a scene");
    let policy = bundle(whose, &[("manifest.toml", MANIFEST), ("x.lua", text)]);
    let (stage, trace) = (stage(), Trace::default());
    let budget = stage.terms.limits.route_budget;
    let world = Arc::new(Scripted::new(&scene, &trace, budget));
    let call = Arc::new(Call { facts: plain_facts(&scene, 37, 0), ..Call::default() });
    let entry = find(&policy, Phase::Route, "", &scene.number).expect("the task");
    let until = Instant::now() + budget;
    let run = Arc::new(Run::new(Phase::Route, call, policy, world, until, &stage.terms));
    let vm = Vm::new(stage.terms.limits).expect("a machine");
    match vm.execute(&run, &entry).await.map_err(|failure| failure.to_string())?.verdict {
        Verdict::Route(answer) => Ok(answer.routes),
        other => Err(format!("{other:?}")),
    }
}

#[tokio::test]
async fn an_answer_is_the_same_whether_it_was_looked_at_or_not() {
    let mut seen: Vec<Vec<Route>> = vec![];
    for text in [
        "function decide() return fsx.route() end",
        "function decide() local a = fsx.route() assert(a.routes[2].gateway_id == 2) return a end",
        "function decide() local a = fsx.route() assert(#a.routes == 2) return a end",
        "function decide() local a = fsx.route() return { routes = a.routes } end",
        "function decide() return table.clone(fsx.route()) end",
        "function decide()
             local copy = {}
             for name, value in pairs(fsx.route()) do copy[name] = value end
             return copy
         end",
        "function decide()
             local copy = {}
             for name, value in fsx.route() do copy[name] = value end
             return copy
         end",
        "function decide()
             local a, copy = fsx.route(), {}
             local name, value = next(a)
             while name do copy[name] = value name, value = next(a, name) end
             return copy
         end",
        "function decide()
             local a = fsx.json.decode(fsx.json.encode({ it = fsx.route() })).it
             assert(a.decision == 'route' and a.routes[2].withhold_cli == true)
             assert(a.routes[1].withhold_cli == nil and a.routes[1].vars.sip_contact_user == '44')
             return a
         end",
        // One that came and went must not be taken for the next.
        "function decide()
             for _ = 1, 200 do fsx.route() end
             for _ = 1, 20 do local waste = string.rep('x', 100000) end
             return fsx.route()
         end",
    ] {
        for whose in ["default", "37"] {
            let routes = decided(whose, text).await;
            seen.push(routes.unwrap_or_else(|failure| panic!("{whose}: {text}: {failure}")));
            assert_eq!(seen.last(), seen.first(), "{whose}: {text}");
        }
    }
    let first = &seen[0];
    assert_eq!(first[0].vars["sip_contact_user"], "44");
    assert_eq!((first[1].initial_increment_s, first[1].withhold_cli), (60, true));
}

#[tokio::test]
async fn what_a_policy_makes_of_an_answer_counts() {
    for (text, gateways) in [
        ("local a = fsx.route() table.remove(a.routes, 1) return a", [2].as_slice()),
        ("local a = fsx.route() a.routes = { a.routes[2], a.routes[1] } return a", &[2, 1]),
        ("local a = fsx.route() a.routes = { fsx.route().routes[2] } return a", &[2]),
        (
            "local a, b = fsx.route(), fsx.route() a.routes[1] = nil a.routes = b.routes return a",
            &[1, 2],
        ),
        ("local a = fsx.route() a.number = '33' return a", &[1, 2]),
    ] {
        for whose in ["default", "37"] {
            let routes = decided(whose, &format!("function decide() {text} end")).await;
            let routes = routes.unwrap_or_else(|failure| panic!("{whose}: {text}: {failure}"));
            let order = routes.iter().map(|route| route.gateway_id).collect::<Vec<_>>();
            assert_eq!(order, gateways, "{whose}: {text}");
        }
    }
    // The platform may write; an organisation only chooses.
    let text = "function decide()
        local a = fsx.route()
        a.routes[1].rate, a.routes[1].cli = '0', '33123'
        return a
    end";
    for (whose, rate, cli) in [("default", "0", "33123"), ("37", "0.0100", "")] {
        let routes = decided(whose, text).await.expect(whose);
        let first = &routes[0];
        assert_eq!((first.rate.as_str(), first.cli.as_str()), (rate, cli), "{whose}");
    }
    for (text, said) in [
        (
            "local a = fsx.route() a.routes[1].dial_string = 'user/1' return a",
            "routes[1]: not given",
        ),
        ("local a = fsx.route() a.routes = nil a.routes = {} return a", "routes: 0 of them"),
        ("local a = fsx.route() a.routes = nil return a", "expected \"keep\""),
        ("local a = fsx.route() return { [false] = getmetatable(a) }", "expected \"keep\""),
    ] {
        let decided = decided("37", &format!("function decide() {text} end")).await;
        let failure = decided.expect_err(text);
        assert!(failure.contains(said), "{text}: {failure}");
    }
}

#[tokio::test]
async fn an_answer_past_the_thousandth_route_is_read_and_not_dialled() {
    let text = "function decide()
        for _ = 1, 500 do fsx.route() end
        local a = fsx.route()
        assert(#a.routes == 2 and getmetatable(a) == nil)
        a.routes[1].gateway_id = 3
        return a
    end";
    let failure = decided("37", text).await.expect_err("a failure");
    assert!(failure.contains("routes[1]: not given"), "{failure}");
}
