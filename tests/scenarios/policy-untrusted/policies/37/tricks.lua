-- What an organisation might try. Each line says by which words it is refused.
local tried, through = 0, 0

local function refused(why, f, ...)
    tried = tried + 1
    local ok, said = pcall(f, ...)
    said = tostring(said):match("^[^\n]*")
    if ok or not said:find(why, 1, true) then
        through = through + 1
        fsx.log("error", "NOT REFUSED " .. why .. ": " .. said)
    end
end

local function run(why, app, data) refused(why, session.execute, session, app, data) end
local function set(name, value)
    refused("variable " .. name, session.setVariable, session, name, value)
    refused("variable " .. name, session.execute, session, "set", name .. "=" .. value)
    refused("variable " .. name, session.execute, session, "export", "nolocal:" .. name .. "=" .. value)
end

session:answer()
session:sleep(50)

run("system", "system", "reboot")
run("bgsystem", "bgsystem", "reboot")
run("lua", "lua", "~freeswitch.API():execute('fsctl', 'shutdown')")
run("eavesdrop", "eavesdrop", "all")
run("intercept", "intercept", "all")
run("transfer", "transfer", "900 XML dpOutbound")
refused("transfer", session.transfer, session, "900", "XML", "dpOutbound")
run("execute_extension", "execute_extension", "900 XML dpOutbound")
run("sched_api", "sched_api", "+1 none fsctl shutdown")
run("redirect", "redirect", "sip:900@elsewhere.example")
run("deflect", "deflect", "sip:900@elsewhere.example")
run("respond", "respond", "302 sip:900@elsewhere.example")
run("bridge", "bridge", "sofia/gateway/gw3001/900")
run("bridge", "bridge", "[execute_on_answer=system]user/1001")
run("bridge", "bridge", "user/1001@good.example")
run("playback", "playback", "/etc/passwd")
run("playback", "playback", "tone_stream://path=/etc/passwd")
run("the data calls a switch command", "log", "INFO ${system(reboot)}")
run("the data calls a switch command", "playback", "${system reboot}")
run("voicemail", "voicemail", "check default good.example 1001")
run("voicemail", "voicemail", "default good.example 1001")
run("callcenter", "callcenter", "sales@good.example")
run("record_session", "record_session", "/tmp/x.wav")
run("multiset", "multiset", "rmOrgID=38 api_hangup_hook=system")

set("_nolocal_group_confirm_key", "exec")
set("sip_invite_req_uri", "sip:900@elsewhere.example")
set("sip_route_uri", "sip:elsewhere.example")
set("sip_h_X-Route", "elsewhere")
set("fsx_gateway_id", "9")
set("fsx_policy_version", "default@99")
set("rmOrgID", "38")
set("execute_on_answer", "system reboot")
set("api_hangup_hook", "system reboot")
set("session_in_hangup_hook", "true")
set("export_vars", "rmOrgID")
set("campon_fallback_exten", "900")
set("force_transfer_dialplan", "inline")
set("transfer_after_bridge", "system:reboot:inline")
set("group_confirm_key", "exec")
set("effective_caller_id_number", "447700900999")
set("anything_else", "1")
run("variable rmOrgID", "unset", "rmOrgID")

for _, command in ipairs { "system", "fsctl", "uuid_kill", "uuid_transfer", "reloadxml", "originate", "load" } do
    refused(command, function() return freeswitch.API():execute(command, "x") end)
end
refused("events", function()
    local event = freeswitch.Event("CUSTOM", "x")
    return event:fire()
end)
refused("Session", function() return freeswitch.Session("user/1") end)
refused("io.open", function() return io.open("/etc/passwd") end)
refused("os.execute", function() return os.execute("reboot") end)
refused("no file", function() return require "../38/main" end)
refused("no file", function() return dofile "/etc/passwd" end)
refused("organisation 37 may not ask", fsx.route, { org = 38 })
refused("lrn", fsx.route, { lrn = "15550001111" })
refused("policy.profiles_organisations", fsx.route, { profile = "reliability" })
refused("may not show", fsx.route, { caller = "447700900999" })
refused("freeswitch.Dbh", function() return freeswitch.Dbh("LCR_RO") end)

fsx.kv.set("secret", "37's")
session:setVariable("my_note", "still mine")
fsx.log("tricks tried " .. tried .. " through " .. through)
return "keep"
