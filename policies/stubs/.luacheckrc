-- Made by `fsxinetd policy stubs`: what policies may use, for luacheck. Do not edit.
std = "none"
max_line_length = 120
self = false
-- Functions that the manifest names are globals of their file.
allow_defined_top = true

globals = { "XML_STRING", "ACTIONS" }

read_globals = {
    "_G",
    "_VERSION",
    "assert",
    "bit32",
    "buffer",
    "coroutine",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "math",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawlen",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "typeof",
    "unpack",
    "utf8",
    "vector",
    "xpcall",
    "call",
    "argv",
    "params",
    "XML_REQUEST",
    "dofile",
    freeswitch = { other_fields = true, fields = { "API", "Dbh", "Event", "JSON", "consoleCleanLog",
        "consoleLog", "console_clean_log", "console_log", "getGlobalVariable", "msleep" } },
    fsx = { other_fields = true, fields = { "core", "dial", "domain", "file", "json", "kv", "log",
        "metric", "number", "route", "sleep", "task", "time" } },
    os = { other_fields = true, fields = { "clock", "date", "time" } },
    "print",
    "require",
    session = { other_fields = true, fields = { "answer", "answered", "bridged", "consoleLog", "execute",
        "flushDigits", "getDigits", "getState", "getVariable", "get_uuid", "hangup", "hangupCause",
        "hangupState", "mediaReady", "playAndGetDigits", "preAnswer", "read", "ready", "recordFile",
        "say", "sayPhrase", "setAutoHangup", "setHangupHook", "setVariable", "set_tts_params",
        "set_tts_parms", "sleep", "speak", "streamFile", "transfer" } },
}

files["**/*_test.lua"] = { read_globals = { "describe", "it", "before_each", "expect", "call", "show" } }
files["**/tests/*.lua"] = { read_globals = { "describe", "it", "before_each", "expect", "call", "show" } }
