---@meta
-- Made by `fsxinetd policy stubs`: what tests of policies are written with, for LuaLS. Do not edit.

---A simulated call. Everything may be left out.
---@class fsx.Scene
---@field phase? "route"|"call"|"hangup" "call" where it is left out.
---@field runs? string "file.lua:function" in place of what the manifest says.
---@field task? string Task, with words after it for argv.
---@field number? string Called number, as dialled.
---@field caller? string Caller's number.
---@field caller_name? string Caller's name.
---@field withhold? boolean The caller is not to be shown.
---@field org? integer Organisation; the bundle's own where it is left out.
---@field country? string Home country, ISO 3166.
---@field data_centre? string Data centre of the switch.
---@field id? string The call's id.
---@field at? string|integer Instant: "2026-11-23T09:30:00Z", or seconds since 1970.
---@field vars? table<string, string|number|boolean> Channel variables.
---@field socket? string Words of the dialplan's socket action: "sync full".
---@field answered? boolean The call is answered already.
---@field digits? (string|number)[] What the caller presses, prompt by prompt; "" presses nothing.
---@field bridges? (string|fsx.SceneBridge)[] What comes of bridges: "USER_BUSY", "answered".
---@field hang_up? fsx.SceneHangUp When the caller hangs up.
---@field apps? table<string, fsx.SceneApp|fsx.SceneApp[]> What applications do besides.
---@field api? table<string, string|string[]> What switch commands print.
---@field globals? table<string, string> The switch's global variables.
---@field core? table<string, any> What the Core API answers: "GET /path?query" or "/path".
---@field kv? table<string, any> What is in the key-value store.
---@field db? table<string, table<string, any>> What databases answer: alias, then statement.
---@field routes? table What fsx.route gives: a list of routes, or { reject = cause }.
---@field ended? fsx.SceneEnd How it ended, for the hangup phase.

---@class fsx.SceneBridge
---@field cause? string FreeSWITCH's cause; answered where it is left out.
---@field after_s? number How long it rings.
---@field talk_s? number How long they talk.

---@class fsx.SceneHangUp
---@field after_s? number So many seconds after the call began.
---@field during? string During this application...
---@field time? integer ...the so-manieth time that it runs.
---@field cause? string With this cause.

---@class fsx.SceneApp
---@field seconds? number How long it takes.
---@field vars? table<string, string> Variables that it sets.
---@field response? string What the switch says of it.

---@class fsx.SceneEnd
---@field cause? string FreeSWITCH's name of the cause.
---@field rang_s? number How long it rang.
---@field talked_s? number How long they talked; 0 was not answered.

---@class fsx.Step
---@field at_ms integer By the simulated clock.
---@field place? string "37/menu.lua:12"
---@field kind "called"|"app"|"api"|"event"|"core"|"kv"|"db"|"route"|"metric"|"sleep"|"log"|"hangup"
---@field what string
---@field data? string
---@field result? string

---How a simulated call went.
---@class fsx.Played
---@field policy string "37@4"
---@field ran string "menu.lua:welcome"
---@field outcome "kept"|"routed"|"rejected"|"failed"
---@field failure? string Why it failed.
---@field reject? integer Q.850 cause of a refusal.
---@field reason? string Reason of a refusal.
---@field routes? string[] Dial strings that the policy gave.
---@field hangup_cause? string Why the call ended; nil where it goes on.
---@field ended_by? string "the caller", "the policy", "the other side" or "the switch".
---@field answered boolean
---@field transferred? string Where the dialplan goes on by transfer.
---@field dialplan boolean The call goes on with the dialplan's next action.
---@field vars table<string, string> The channel's variables at the end.
---@field kv table<string, any> The key-value store at the end.
---@field took_ms integer By the simulated clock.
---@field steps fsx.Step[] Everything that happened.
local Played = {}

---Applications that the switch ran, in order: "answer", "playback welcome.wav".
---@return string[]
function Played:apps() end

---Log lines: "warning no agent answered".
---@return string[]
function Played:logs() end

---What the Core API was asked: "GET /v1/agents".
---@return string[]
function Played:asked() end

---Steps of one kind.
---@param kind string
---@return fsx.Step[]
function Played:steps_of(kind) end

---@class fsx.Expect
---@field never fsx.Expect The opposite.
local Expect = {}

---@param expected any
function Expect:to_be(expected) end

---Deeply.
---@param expected any
function Expect:to_equal(expected) end

function Expect:to_be_nil() end

function Expect:to_be_true() end

function Expect:to_be_false() end

---A Lua pattern.
---@param pattern string
function Expect:to_match(pattern) end

---A list holds a value, or a text holds a text.
---@param wanted any
function Expect:to_contain(wanted) end

---The function fails, with a message that holds the text.
---@param text? string
function Expect:to_fail(text) end

---Of a played call: these applications ran in this order, whatever ran between them.
---@param ... string
function Expect:to_have_run(...) end

---Of a played call: it was hung up with this cause.
---@param cause string
function Expect:to_end_with(cause) end

---@param name string
---@param body fun()
function describe(name, body) end

---@param name string
---@param body fun()
function it(name, body) end

---Before each `it` of this `describe`.
---@param body fun()
function before_each(body) end

---@param value any
---@return fsx.Expect
function expect(value) end

---Plays a call.
---@param scene fsx.Scene
---@return fsx.Played
function call(scene) end

---A value as text.
---@param value any
---@return string
function show(value) end
