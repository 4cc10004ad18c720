---@meta
-- Made by `fsxinetd policy stubs`: what policies may use, for LuaLS. Do not edit.

---The call that the policy is asked about.
---@class fsx.Call
---@field id string The channel's id.
---@field number string As dialled.
---@field caller? string As signalled.
---@field withhold boolean The caller is not to be shown.
---@field org integer Organisation; 0 is the platform.
---@field country? string Whose dialling rules apply, ISO 3166 with two letters.
---@field data_centre string Where the call is.
---@field at integer When it began, in seconds since 1970 UTC.
---@field task string Which policy was asked for; empty is the default one.
---@field phase "route"|"call"|"hangup" When in the call this is.
---@field vars table<string, string> Channel variables that are known.
---@field ended? fsx.Ended How the call ended, in the hangup phase.

---How a call ended.
---@class fsx.Ended
---@field cause string FreeSWITCH's name of the cause: NORMAL_CLEARING.
---@field code? integer The same by Q.850, where it has a number.
---@field answered boolean Whether it was answered.
---@field duration_s number From its beginning to its end.
---@field billsec integer Whole seconds from its answer to its end; 0 for one not answered.
---@field started_at? number In seconds since 1970 UTC.
---@field answered_at? number In seconds since 1970 UTC.
---@field ended_at? number In seconds since 1970 UTC.

---What to ask the routing engine about; whatever is left out is the call's own.
---@class fsx.Question
---@field number? string As dialled.
---@field caller? string For rates by caller.
---@field withhold? boolean The caller is not to be shown.
---@field org? integer Another organisation; the platform's policies only.
---@field country? string ISO 3166 with two letters.
---@field data_centre? string Where the call leaves from.
---@field at? integer Seconds since 1970 UTC.
---@field privacy_class? string Gateways of this class only.
---@field pci_zone? string Gateways of this zone only.
---@field carrier_group? string Gateways of this group only.
---@field profile? string Order of carriers by name.
---@field lrn? string Routing number of a ported number.
---@field max_attempts? integer Most routes.
---@field why? boolean Fill excluded.

---The engine's answer. A policy may return it as it is.
---@class fsx.Answer
---@field decision "route"|"reject"|"policy"|"not_ours" What the engine says.
---@field number string In E.164.
---@field generation integer Which build of the data.
---@field routes fsx.Route[] Cheapest first, or as the profile says.
---@field cause? integer Q.850, of a rejection.
---@field reason? string Of a rejection.
---@field excluded? table[] What was left out and why, where it was asked for.

---One way to place the call.
---@class fsx.Route
---@field dial_string string For bridge.
---@field carrier string Its name.
---@field carrier_id integer Its number.
---@field gateway_id integer Which gateway.
---@field rate string A minute, as decimal text: money is never a float.
---@field currency string ISO 4217.

---Whom to ring. Each leg is a user or a route of fsx.route; of enterprise, also a list of legs that are tried in turn.
---@class fsx.Dial
---@field legs (fsx.Leg|fsx.Leg[])[] At most 100.
---@field how? "sequential"|"simultaneous"|"enterprise" One after another (the default), all at once, or each by itself at once.

---One that is rung. The switch counts whole seconds: times are rounded up.
---@class fsx.Leg
---@field user? string A user of the organisation's own domain.
---@field domain? string Without it the call's domain_name.
---@field route? fsx.Route Or a route that fsx.route gave in this run.
---@field ring_timeout_ms? integer How long it rings.
---@field delay_ms? integer How long after the others it begins.
---@field confirm_key? string Whoever picks up presses this first.
---@field confirm_sound? string And hears this.
---@field confirm_timeout_ms? integer For so long; 10000 without it.
---@field caller_name? string Who is shown to call.
---@field caller_number? string And from where.

---A telephone number, taken apart.
---@class fsx.Number
---@field e164 string +447700900123; an emergency number as dialled.
---@field digits string The same without the plus.
---@field national string As written at home: 07700 900123.
---@field international string As written abroad: +44 7700 900123.
---@field country? string ISO 3166 with two letters.
---@field code integer Country calling code; 0 for an emergency number.
---@field type string As fsx.number.type gives it.
---@field valid boolean The numbering plan has such numbers.
---@field emergency boolean It calls an emergency service.

---An instant, as the clocks of a time zone show it.
---@class fsx.Time
---@field epoch number Seconds since 1970 UTC.
---@field zone string Which zone.
---@field offset_s integer East of UTC.
---@field dst boolean Summer time is in force.
---@field year integer 2026.
---@field month integer 1 to 12.
---@field day integer 1 to 31.
---@field hour integer 0 to 23.
---@field min integer 0 to 59.
---@field sec integer 0 to 59.
---@field weekday string mon to sun.
---@field yday integer 1 to 366.
---@field date string 2026-12-24.
---@field time string 18:30:00.
---@field iso string 2026-12-24T18:30:00+00:00.

---When something is open. Special days come before holidays, holidays before hours.
---@class fsx.Schedule
---@field zone? string Time zone, Europe/London say; UTC without one.
---@field hours? fsx.Hours[] The ordinary week; none is never open.
---@field holidays? (string|fsx.Holiday)[] Days that are closed: 2026-12-25, 12-25 every year, or a span.
---@field special? fsx.Special[] Days with hours of their own.

---Hours of some days of the week. A range whose end is not after its start ends on the next day.
---@class fsx.Hours
---@field days? string|string[] mon-fri, sat,sun, fri-mon or *; every day without it.
---@field from? string 09:00; 00:00 without it.
---@field to? string 17:30, exclusive; 24:00 without it.
---@field name? string Said as the reason.

---Days on which nothing is open.
---@class fsx.Holiday
---@field date? string 2026-12-25, or 12-25 for every year.
---@field from? string First day of a span.
---@field to? string Last day of a span.
---@field name? string Said as the reason.

---A day with hours of its own.
---@class fsx.Special
---@field date string 2026-12-24, or 12-24 for every year.
---@field from? string 09:00; closed all day without both.
---@field to? string 12:00, exclusive.
---@field name? string Said as the reason.

---How to ask the Core API.
---@class fsx.CoreOptions
---@field query? table<string, string|number|boolean> After the question mark; encoded by us.
---@field timeout_ms? integer How long the answer may take, within the configured limit.
---@field cache_s? number An answer this young is given again without asking.
---@field stale_s? number An answer this much older is given where asking fails.

---An answer of the Core API.
---@class fsx.Reply
---@field status integer HTTP status.
---@field ok boolean It is one of the 200s.
---@field body string As sent.
---@field json? any The same, taken apart; nil where it is no JSON.
---@field source "fetched"|"cache"|"stale" Where it came from.
---@field age_s number How old it is.

---Another file of the bundle, or a shipped part as fsx.parts.name; run once a run.
---@param name string
---@return any
function require(name) end

---Another file of the bundle, run again each time.
---@param name string
---@return any
function dofile(name) end

---Writes to the daemon's log.
---@param ... any
function print(...) end

freeswitch = {}

---Writes to the daemon's log.
---@param level string
---@param text any
function freeswitch.consoleLog(level, text) end

---The same as consoleLog.
---@param level string
---@param text any
function freeswitch.console_log(level, text) end

---Writes to the daemon's log.
---@param text any
function freeswitch.consoleCleanLog(text) end

---The same as consoleCleanLog.
---@param text any
function freeswitch.console_clean_log(text) end

---Waits without doing anything to the call. Only in the route or call phase.
---@param ms number
function freeswitch.msleep(ms) end

---A global variable of the switch in a live call, of the configuration elsewhere; nil where it is not set.
---@param name string
---@return string?
function freeswitch.getGlobalVariable(name) end

---Commands of the switch, those that the configuration allows.
---@param session? any
---@return freeswitch.API
function freeswitch.API(session) end

---Makes an event; ("json", text) makes it from JSON.
---@param name string
---@param subclass? string
---@return freeswitch.Event
function freeswitch.Event(name, subclass) end

---A database by its alias in the configuration. User and password are those of the configuration.
---@param alias string
---@param user? string
---@param password? string
---@return freeswitch.Dbh
function freeswitch.Dbh(alias, user, password) end

---mod_lua's JSON object.
---@return freeswitch.JSON
function freeswitch.JSON() end

---@class freeswitch.API
local API = {}

---Runs a command and gives what it printed. Only in the call phase.
---@param command string
---@param argument? string
---@return string
function API:execute(command, argument) end

---Runs a command line and gives what it printed. Only in the call phase.
---@param line string
---@return string
function API:executeString(line) end

---Milliseconds since 1970, as text.
---@return string
function API:getTime() end

---@class freeswitch.Dbh
local Dbh = {}

---Whether the alias is one that this policy may use.
---@return boolean
function Dbh:connected() end

---Runs one statement and calls the function for each row, null as an empty text; one that returns other than 0 stops.
---@param sql string
---@param row? fun(row: table<string, string>): integer?
---@return boolean
function Dbh:query(sql, row) end

---Runs one statement and gives all rows, null as nil.
---@param sql string
---@return boolean
---@return table<string, string>[]?
---@return string?
function Dbh:query_rows(sql) end

---The first row, or nil.
---@param sql string
---@return table<string, string>?
function Dbh:first_row(sql) end

---The first column of the first row, or nil.
---@param sql string
---@return string?
function Dbh:first_value(sql) end

---A value as a literal for this database, quotes and all; nil is NULL.
---@param value any
---@return string
function Dbh:quote(value) end

---Rows that the last statement changed.
---@return integer
function Dbh:affected_rows() end

---What went wrong last; nil where nothing did.
---@return string?
function Dbh:last_error() end

---Forgets what went wrong.
function Dbh:clear_error() end

---Lets go of the database.
---@return boolean
function Dbh:release() end

---@class freeswitch.Event
local Event = {}

---Adds a header.
---@param name string
---@param value any
---@return boolean
function Event:addHeader(name, value) end

---The header of that name; nil where there is none.
---@param name string
---@return string?
function Event:getHeader(name) end

---Takes a header away.
---@param name string
---@return boolean
function Event:delHeader(name) end

---Puts the body.
---@param body string
---@return boolean
function Event:addBody(body) end

---The body; empty where there is none.
---@return string
function Event:getBody() end

---Its name.
---@return string
function Event:getType() end

---Sets its priority.
---@param priority "LOW"|"NORMAL"|"HIGH"
---@return boolean
function Event:setPriority(priority) end

---The event as text, JSON or XML.
---@param format? "json"|"xml"|"text"
---@return string
function Event:serialize(format) end

---Adds another event's headers.
---@param other freeswitch.Event
---@return boolean
function Event:merge(other) end

---Sends the event into the switch; the platform's policies only. Only in the call phase.
---@return boolean
function Event:fire() end

---@class freeswitch.JSON
local JSON = {}

---A value as JSON.
---@param value any
---@return string
function JSON:encode(value) end

---The value of a JSON text; nil where it is none.
---@param text string
---@return any
function JSON:decode(text) end

---Whether an empty table is {} or [].
---@param yes boolean
function JSON:encode_empty_table_as_object(yes) end

---Whether JSON comes on one line.
---@param yes boolean
function JSON:return_unformatted_json(yes) end

fsx = {}

---Asks the routing engine; without a question, about this very call. Nil and why before any data is published. Only in the route or call phase.
---@param question? fsx.Question
---@return fsx.Answer?
---@return string?
function fsx.route(question) end

---A dial string of users and routes, with what each leg is to do; bridge takes it. The shipped parts ring by it. Only in the call phase.
---@param question fsx.Dial
---@return string
function fsx.dial(question) end

---The organisation's own domain on the switch: that of users, mailboxes and queues that are named without one.
---@return string
function fsx.domain() end

---A task of this bundle's call phase as a function; nil and why where there is none. Only in the call phase.
---@param name string
---@return fun(session: table, call: fsx.Call): any
---@return string?
function fsx.task(name) end

---The text of a JSON file of this bundle; nil and why where there is none.
---@param name string
---@return string?
---@return string?
function fsx.file(name) end

---Writes a line to the daemon's log, with the call and the organisation beside it.
---@param level_or_text string
---@param text? string
function fsx.log(level_or_text, text) end

---Waits without doing anything to the call. Only in the route or call phase.
---@param ms number
function fsx.sleep(ms) end

fsx.core = {}

---Asks the Core API and takes the JSON apart; nil and why where there is no answer.
---@param path string
---@param options? fsx.CoreOptions
---@return fsx.Reply?
---@return string?
function fsx.core.get(path, options) end

---Posts JSON to the Core API; never kept, never said twice.
---@param path string
---@param body? any
---@param options? fsx.CoreOptions
---@return fsx.Reply?
---@return string?
function fsx.core.post(path, body, options) end

fsx.json = {}

---A value as JSON. A table with elements 1 to n is a list, any other an object; fsx.json.null is null.
---@param value any
---@return string
function fsx.json.encode(value) end

---The value of a JSON text, null as fsx.json.null; nil and why where it is none.
---@param text string
---@return any
---@return string?
function fsx.json.decode(text) end

fsx.kv = {}

---What this organisation keeps under the key; nil where there is nothing.
---@param key string
---@return any
function fsx.kv.get(key) end

---Keeps text, a number, a boolean or a table of those, for so many seconds. It does not survive a restart of the daemon.
---@param key string
---@param value any
---@param ttl_s? number
---@return boolean
function fsx.kv.set(key, value, ttl_s) end

---Adds to a counter, which begins at 0 and lives so many seconds from its beginning; gives the sum.
---@param key string
---@param by? number
---@param ttl_s? number
---@return number
function fsx.kv.add(key, by, ttl_s) end

---Forgets a key; whether there was one.
---@param key string
---@return boolean
function fsx.kv.delete(key) end

---The keys that begin with a text, sorted; at most 1,000.
---@param prefix? string
---@return string[]
function fsx.kv.keys(prefix) end

fsx.metric = {}

---Adds to a counter of this bundle's.
---@param name string
---@param by? number
function fsx.metric.count(name, by) end

---Puts a gauge of this bundle's.
---@param name string
---@param value number
function fsx.metric.gauge(name, value) end

---Notes how long something took.
---@param name string
---@param seconds number
function fsx.metric.observe(name, seconds) end

fsx.number = {}

---Takes a number apart; nil and why where it is none. Without a country, the call's own.
---@param number string
---@param country? string
---@return fsx.Number?
---@return string?
function fsx.number.parse(number, country) end

---The number in E.164, +447700900123, by the dialling rules of the routing data and the numbering plan.
---@param number string
---@param country? string
---@return string?
---@return string?
function fsx.number.normalise(number, country) end

---The country of a number, ISO 3166 with two letters; nil for one of no country.
---@param number string
---@param country? string
---@return string?
---@return string?
function fsx.number.country(number, country) end

---fixed, mobile, fixed_or_mobile, toll_free, premium, shared_cost, voip, personal, pager, uan, voicemail, emergency or unknown.
---@param number string
---@param country? string
---@return string?
---@return string?
function fsx.number.type(number, country) end

---The number as people write it, or as machines do.
---@param number string
---@param style "e164"|"national"|"international"|"digits"
---@param country? string
---@return string?
---@return string?
function fsx.number.format(number, style, country) end

---Whether the number calls an emergency service.
---@param number string
---@param country? string
---@return boolean
function fsx.number.is_emergency(number, country) end

fsx.time = {}

---The time now in a time zone, Europe/London say; UTC without one.
---@param zone? string
---@return fsx.Time
function fsx.time.now(zone) end

---The time that is so many seconds after 1970 UTC, in a time zone.
---@param epoch number
---@param zone? string
---@return fsx.Time
function fsx.time.at(epoch, zone) end

---Seconds since 1970 UTC of 2026-12-24, 2026-12-24 18:30 or 2026-12-24T18:30:00Z; nil and why where it is no time.
---@param text string
---@param zone? string
---@return integer?
---@return string?
function fsx.time.parse(text, zone) end

---Whether a schedule is open, now or at a time, and why: hours, special, holiday or closed, with the name it has.
---@param schedule fsx.Schedule
---@param epoch? number
---@return boolean
---@return string
function fsx.time.open(schedule, epoch) end

---When the schedule opens or closes next, and whether it is open then; nil where it does not within a year.
---@param schedule fsx.Schedule
---@param epoch? number
---@return integer?
---@return boolean?
function fsx.time.next_change(schedule, epoch) end

---Seconds since 1970 UTC, now or of a date in the machine's time zone.
---@param date? table
---@return integer
function os.time(date) end

---A date in the machine's time zone, or with ! in UTC.
---@param format? string
---@param epoch? number
---@return string|table
function os.date(format, epoch) end

---Seconds from any beginning, for measuring.
---@return number
function os.clock() end

---@class fsx.Session
session = {}

---A channel variable or a field such as caller_id_number; nil where it is not set.
---@param name string
---@return string?
function session:getVariable(name) end

---Sets a channel variable; empty or nil takes it away. Only in the route or call phase.
---@param name string
---@param value? any
function session:setVariable(name, value) end

---The channel's id.
---@return string
function session:get_uuid() end

---Writes to the daemon's log.
---@param level string
---@param text any
function session:consoleLog(level, text) end

---Runs an application and waits for its end; with nothing to wait for it is collected and sent with the answer. Only in the call phase.
---@param app string
---@param data? any
---@return boolean
function session:execute(app, data) end

---Answers the call; 1, or 0 where it has ended. Only in the call phase.
---@return integer
function session:answer() end

---Opens early media; 1, or 0 where the call has ended. Only in the call phase.
---@return integer
function session:preAnswer() end

---Whether the call is still there. Only in the call or hangup phase.
---@return boolean
function session:ready() end

---Whether it has been answered. Only in the call or hangup phase.
---@return boolean
function session:answered() end

---Whether it is connected to another leg now. Only in the call or hangup phase.
---@return boolean
function session:bridged() end

---Whether it has media: answered or early. Only in the call or hangup phase.
---@return boolean
function session:mediaReady() end

---The channel's state: CS_EXECUTE, CS_HANGUP. Only in the call or hangup phase.
---@return string
function session:getState() end

---Ends the call, with NORMAL_CLEARING or the cause named. Only in the call phase.
---@param cause? string
function session:hangup(cause) end

---Why the call ended; NONE while it is there. It is right inside hangup hooks too. Only in the call or hangup phase.
---@return string
function session:hangupCause() end

---CS_HANGUP once the call has ended, else the channel's state. Only in the call or hangup phase.
---@return string
function session:hangupState() end

---Sends the call into the dialplan. Only in the call phase.
---@param extension string
---@param dialplan? string
---@param context? string
---@return integer
function session:transfer(extension, dialplan, context) end

---Waits, with the call. Only in the route or call phase.
---@param ms number
---@return integer
function session:sleep(ms) end

---Plays a sound; 1, or 0 where it could not be played. Only in the call phase.
---@param path string
---@param start? integer
---@return integer
function session:streamFile(path, start) end

---Records the caller into a file; the platform's policies only. Only in the call phase.
---@param path string
---@param limit_s? integer
---@param threshold? integer
---@param silence_hits? integer
---@return integer
function session:recordFile(path, limit_s, threshold, silence_hits) end

---Says a number, a date and the like with a language module. Only in the call phase.
---@param text string
---@param module string
---@param type string
---@param method string
---@param gender? string
---@return boolean
function session:say(text, module, type, method, gender) end

---Says a phrase macro. Only in the call phase.
---@param name string
---@param data? string
---@param language? string
---@return boolean
function session:sayPhrase(name, data, language) end

---Chooses the voice for speak. Only in the call phase.
---@param engine string
---@param voice string
function session:set_tts_params(engine, voice) end

---The old spelling of set_tts_params. Only in the call phase.
---@param engine string
---@param voice string
function session:set_tts_parms(engine, voice) end

---Speaks a text. Only in the call phase.
---@param text string
---@return integer
function session:speak(text) end

---Plays a prompt and takes digits that match; empty where none came. Only in the call phase.
---@param min integer
---@param max integer
---@param tries integer
---@param timeout_ms integer
---@param terminators string
---@param file string
---@param invalid_file string
---@param regex string
---@param variable? string
---@param digit_timeout_ms? integer
---@param transfer_on_failure? string
---@return string
function session:playAndGetDigits(min, max, tries, timeout_ms, terminators, file, invalid_file, regex, variable, digit_timeout_ms, transfer_on_failure) end

---Plays a prompt and takes digits. Only in the call phase.
---@param min integer
---@param max integer
---@param file string
---@param timeout_ms integer
---@param terminators string
---@param digit_timeout_ms? integer
---@return string
function session:read(min, max, file, timeout_ms, terminators, digit_timeout_ms) end

---Takes digits in silence. Only in the call phase.
---@param max integer
---@param terminators string
---@param timeout_ms integer
---@param digit_timeout_ms? integer
---@return string
function session:getDigits(max, terminators, timeout_ms, digit_timeout_ms) end

---Forgets digits that were pressed and not read. Only in the call phase.
---@return boolean
function session:flushDigits() end

---Calls a function of the script as f(session, "hangup", argument) once the call has ended. Only in the call phase.
---@param function_name string|function
---@param argument? any
function session:setHangupHook(function_name, argument) end

---Whether the call ends with the script; false lets the dialplan go on. Only in the call phase.
---@param yes boolean
function session:setAutoHangup(yes) end

---The call that the policy is asked about.
---@type fsx.Call
call = nil

---Words of the task after its name; argv[0] is the script.
---@type string[]
argv = nil

---What is known of the call, by getHeader, as dialplan scripts are given it.
---@type freeswitch.Event
params = nil

---section, tag_name, key_name and key_value, where FreeSWITCH asked for a piece of XML.
---@type table<string, string>
XML_REQUEST = nil

---The piece of XML that a script answers with.
---@type string
XML_STRING = nil

---Applications that a dialplan script answers with: "app", {"app"} or {"app", "data"}. Only in the call phase.
---@type (string|string[])[]
ACTIONS = nil
