local switchboard = require "fsx.parts.switchboard"
local time_switch = require "fsx.parts.time_switch"
local get_info = require "fsx.parts.get_info"
local parts = require "fsx.parts.call"

function gone(session, what)
    fsx.log("hook " .. what .. " " .. session:hangupCause() .. " customer "
        .. tostring(session:getVariable("my_customer")))
end

local function account(session)
    local digits, reply = get_info.run(session, {
        prompt = "tone_stream://%(100,0,400)",
        max = 1,
        variable = "my_account",
        post = { path = "/organisations/37/accounts", field = "account", with = { caller = call.caller } },
    })
    fsx.log("account " .. tostring(digits) .. " tier " .. tostring(reply and reply.tier))
    return require("fsx.parts.document").run(session, { core = { path = "/organisations/37/policies/evening" } })
end

function line(session, call)
    session:setHangupHook("gone")
    local reply, why = fsx.core.get("/organisations/37/callers", { query = { number = call.caller } })
    session:setVariable("my_customer", reply and reply.json and reply.json.name or why)
    local result, more = switchboard.run(session, {
        greeting = "tone_stream://%(100,0,800)",
        invalid = "tone_stream://%(50,0,300)",
        choices = {
            ["1"] = { hunt = {
                members = { "1001", { user = "1002", ring_timeout_ms = 2000 } },
                otherwise = { document = "after-hours.json" },
            } },
            ["2"] = account,
        },
    })
    fsx.log("result " .. tostring(result) .. " " .. tostring(more))
end

function closed(session)
    session:setHangupHook("gone")
    local result = time_switch.run(session, {
        schedule = { zone = "Europe/London", hours = { {} } },
        override = { is = "closed" },
    })
    fsx.log("the line is " .. result)
    parts.hangup(session, "busy")
end

function over(call)
    fsx.log("hangup phase " .. call.ended.cause .. " answered " .. tostring(call.ended.answered)
        .. " customer " .. tostring(call.vars.my_customer))
end
