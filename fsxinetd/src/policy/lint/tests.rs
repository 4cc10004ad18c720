use super::*;
use crate::policy::bundle::Severity;

fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let shown = |fault: &Fault| {
        let mark = if fault.severity == Severity::Warning { "warning: " } else { "" };
        format!("{mark}{fault}")
    };
    check(&Files::of(files), "37").iter().map(shown).collect()
}

const MANIFEST: &str =
    "version = \"1\"\n[route]\ndefault = \"x.lua:decide\"\n[call]\nmenu = \"x.lua:menu\"\n";

#[test]
fn a_good_bundle_is_good() {
    let text = "
        local hours = require 'lib.hours'
        local function greet(session)   -- reached from menu alone
            session:answer()
            session:streamFile('ivr/welcome.wav')
        end
        local M = {}
        function M.decide(call)
            for name, value in pairs(call.vars) do print(name, value) end
            return fsx.route { number = call.number }
        end
        function menu(session, call)
            greet(session)
            local api = freeswitch.API()
            local x = if hours.open then 1 else 2
            return api:executeString('hostname ' .. x)
        end
        M.menu = menu
        return M";
    let files = [
        ("manifest.toml", MANIFEST),
        ("x.lua", text),
        ("lib/hours.lua", "return { open = fsx.time.now() ~= nil }"),
        (
            "tests/x_test.lua",
            "describe('x', function() it('y', function() expect(1):to_be(1) end) end)",
        ),
        ("data.json", "{}"),
    ];
    assert_eq!(faults(&files), Vec::<String>::new());
}

#[test]
fn names_and_phases() {
    let text = "function decide(call)
    ring()
    fsx.kv.gett('a')
    return frobnicate(call)
end
function ring()
    session:answer()
end
function menu(session)
    session:setInputCallback('x')
    local f = io.open('/etc/passwd')
    local e = freeswitch.Event('CUSTOM')
    e:adHeader('a', 'b')
    require 'gone'
end
";
    let found = faults(&[("manifest.toml", MANIFEST), ("x.lua", text), ("d.json", "{\n  x")]);
    let starts = [
        "d.json:2: ",
        "x.lua:3: there is no fsx.kv.gett; did you mean fsx.kv.get?",
        "warning: x.lua:4: frobnicate is defined nowhere in this bundle",
        "x.lua:7: session:answer is for the call phase; the manifest runs this in the route phase (task \"default\")",
        "x.lua:10: session:setInputCallback is not available here: ",
        "x.lua:11: io.open is not available here: ",
        "x.lua:13: there is no freeswitch.Event:adHeader; did you mean freeswitch.Event:addHeader?",
        "x.lua:14: require \"gone\": there is no file gone.lua",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (line, start) in found.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}\nexpected {start}");
    }
}

#[test]
fn manifests() {
    let manifest = "version = \"x y\"\nroute = 3\n[cal]\na = \"x.lua\"\n[call]\nb = \"x.lua:no\"\nc = \"x\"\n\
                    [numbers]\nsales = \"x.lua\"\n\"+44*\" = { talk = \"x.lua\" }\n";
    let found = faults(&[("manifest.toml", manifest), ("x.lua", "return 1")]);
    let starts = [
        "manifest.toml:1: version: expected letters",
        "manifest.toml:2: \"route\" is a section",
        "manifest.toml:3: unknown key \"cal\"; did you mean \"call\"?",
        "manifest.toml:7: task \"c\": expected \"file.lua\"",
        "manifest.toml:9: number \"sales\": expected digits",
        "manifest.toml:10: number \"+44*\": expected a phase, got \"talk\"",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (line, start) in found.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}\nexpected {start}");
    }
    let manifest = "version = \"1\"\n[call]\nb = \"x.lua:no\"\n";
    let found = faults(&[("manifest.toml", manifest), ("x.lua", "function yes() end")]);
    assert_eq!(found, ["manifest.toml:3: task \"b\": x.lua defines no function no"]);
}

#[test]
fn policy_documents_are_read_as_the_part_reads_them() {
    let manifest = "version = \"1\"\n[call]\ndefault = \"x.lua\"\n";
    let wrong = r#"{"rules": [{"when": {"days": "funday"}, "then": {"user": "1001"},
        "set": {"rmOrgID": "38", "my_note": "x"}}]}"#;
    let good = r#"{"rules": [{"when": "fallback", "then": {"user": "1001"}}]}"#;
    let files = [
        ("manifest.toml", manifest),
        ("x.lua", "session:answer()"),
        ("wrong.json", wrong),
        ("good.json", good),
        ("other.json", r#"{"anything": [1, 2]}"#),
    ];
    let lines = |name: &str| -> Vec<String> {
        check(&Files::of(&files), name).iter().map(ToString::to_string).collect()
    };
    let said = lines("37");
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].starts_with("wrong.json: rules[0].when.days[0]: expected mon"), "{said:#?}");
    assert!(said[1].contains("rules[0].set.rmOrgID: variable rmOrgID: "), "{said:#?}");
    assert_eq!(lines("default").len(), 1);
}
