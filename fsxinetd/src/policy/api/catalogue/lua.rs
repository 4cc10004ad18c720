//! Plain globals: what we put there, what scripts are given, and what is not there.

use super::Phases::{Any, Call};
use super::{Function, Global, Refused};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "require",
        phases: Any,
        takes: "name: string",
        gives: "any",
        doc: "Another file of the bundle, or a shipped part as fsx.parts.name; run once a run.",
    },
    Function {
        name: "dofile",
        phases: Any,
        takes: "name: string",
        gives: "any",
        doc: "Another file of the bundle, run again each time.",
    },
    Function {
        name: "print",
        phases: Any,
        takes: "...: any",
        gives: "",
        doc: "Writes to the daemon's log.",
    },
    Function {
        name: "os.time",
        phases: Any,
        takes: "date?: table",
        gives: "integer",
        doc: "Seconds since 1970 UTC, now or of a date in the machine's time zone.",
    },
    Function {
        name: "os.date",
        phases: Any,
        takes: "format?: string, epoch?: number",
        gives: "string|table",
        doc: "A date in the machine's time zone, or with ! in UTC.",
    },
    Function {
        name: "os.clock",
        phases: Any,
        takes: "",
        gives: "number",
        doc: "Seconds from any beginning, for measuring.",
    },
];

pub(super) const GLOBALS: &[Global] = &[
    Global {
        name: "call",
        kind: "fsx.Call",
        written: false,
        phases: Any,
        doc: "The call that the policy is asked about.",
    },
    Global {
        name: "argv",
        kind: "string[]",
        written: false,
        phases: Any,
        doc: "Words of the task after its name; argv[0] is the script.",
    },
    Global {
        name: "params",
        kind: "freeswitch.Event",
        written: false,
        phases: Any,
        doc: "What is known of the call, by getHeader, as dialplan scripts are given it.",
    },
    Global {
        name: "XML_REQUEST",
        kind: "table<string, string>",
        written: false,
        phases: Any,
        doc: "section, tag_name, key_name and key_value, where FreeSWITCH asked for a piece of XML.",
    },
    Global {
        name: "XML_STRING",
        kind: "string",
        written: true,
        phases: Any,
        doc: "The piece of XML that a script answers with.",
    },
    Global {
        name: "ACTIONS",
        kind: "(string|string[])[]",
        written: true,
        phases: Call,
        doc: "Applications that a dialplan script answers with: \"app\", {\"app\"} or {\"app\", \"data\"}.",
    },
];

pub(super) const REFUSED: &[Refused] = &[
    Refused { name: "io.*", why: "policies have no files" },
    Refused { name: "package.*", why: "a bundle's files are found by require" },
    Refused { name: "debug.*", why: "a policy may not look into the machine" },
    Refused { name: "loadstring", why: "code comes from the bundle only; use require" },
    Refused { name: "load", why: "code comes from the bundle only; use require" },
    Refused { name: "loadfile", why: "use require or dofile" },
    Refused { name: "module", why: "return a table from the file instead" },
    Refused { name: "collectgarbage", why: "the machine cleans up by itself" },
    Refused { name: "getfenv", why: "a policy may not look into the machine" },
    Refused { name: "setfenv", why: "a policy may not look into the machine" },
    Refused { name: "newproxy", why: "use setmetatable" },
    Refused { name: "os.execute", why: "policies start no programs" },
    Refused { name: "os.exit", why: "return from the script" },
    Refused {
        name: "os.getenv",
        why: "the environment is the daemon's; use freeswitch.getGlobalVariable",
    },
    Refused { name: "os.remove", why: "policies have no files" },
    Refused { name: "os.rename", why: "policies have no files" },
    Refused { name: "os.tmpname", why: "policies have no files" },
    Refused { name: "os.setlocale", why: "the locale is the daemon's" },
    Refused { name: "stream.*", why: "a policy answers by what it returns" },
    Refused { name: "env.*", why: "use call, argv or params" },
];
