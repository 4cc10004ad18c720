-- Hunt and ring groups: finds one of several people for a call.
--
-- Members are users of this switch and numbers outside, which go by the routing engine. They ring
-- one after another, all at once, or each by its own tries ("enterprise"); a member who is reached
-- by a mobile may be asked to press a key first, so that a mailbox of theirs is not taken for them.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"

local M = {}

local CONFIRM = {
    -- What the one who picks up presses, and hears.
    key = options.keys("1", 4),
    prompt = options.required(options.sound()),
    timeout_ms = options.ms(10000, 1000, 120000),
}

local CALLER_ID = {
    name = options.word("[%w .+_/-]", "letters, digits and .+_/-", nil, 60),
    number = options.word("[%d+*#]", "a telephone number", nil, 32),
}

local NUMBER = options.word("[%d+*#]", "a telephone number", nil, 32)

local MEMBER = {
    user = options.name(),
    domain = options.domain(),
    number = NUMBER,
    -- How long this one rings, and how long after the others it begins to.
    ring_timeout_ms = options.ms(nil, 1000, 300000),
    delay_ms = options.ms(0, 0, 300000),
    confirm = options.reader(nil, function(value, path, problems)
        if value == false then return false end
        return options.group(CONFIRM).check(value, path, problems)
    end),
    caller_id = options.group(CALLER_ID),
}

-- "1001" and "+442079460000" by themselves are members too.
local member = options.reader(nil, function(value, path, problems)
    if type(value) == "number" then value = string.format("%.0f", value) end
    if type(value) == "string" then
        value = value:find("^%+") and { number = value } or { user = value }
    end
    local one = options.group(MEMBER).check(value, path, problems)
    if one and not one.user == not one.number and type(value) == "table" then
        options.add(problems, path, "expected either a user or a number")
    end
    return one
end)

local NEXT_OR_STOP = { "next", "stop" }

local SPEC = {
    members = options.required(options.list(member, 1, 50)),
    -- "sequential": one after another. "simultaneous": all at once, outside numbers by their first
    -- route. "enterprise": all at once, each number by all of its routes.
    strategy = options.choice({ "sequential", "simultaneous", "enterprise" }, "sequential"),
    ring_timeout_ms = options.ms(20000, 1000, 300000),
    -- Of the whole hunt: no further member is tried after it.
    timeout_ms = options.ms(120000, 1000, 3600000),
    -- How often a sequential hunt goes through its members.
    rounds = options.whole(1, 1, 10),
    on_busy = options.choice(NEXT_OR_STOP, "next"),
    on_no_answer = options.choice(NEXT_OR_STOP, "next"),
    on_rejected = options.choice(NEXT_OR_STOP, "next"),
    -- What the caller hears while it rings.
    ringback = options.sound(),
    -- Played to the caller before.
    announce = options.prompt(),
    -- Whether sounds that a far end sends before it answers reach the caller. A member's mailbox or
    -- announcement is taken for an answer then.
    early_media = options.flag(false),
    confirm = options.group(CONFIRM),
    caller_id = options.group(CALLER_ID),
    -- After the conversation: "hangup", or "continue" to have the script go on.
    after = options.choice({ "hangup", "continue" }, "hangup"),
    -- Where the call goes that nobody took.
    otherwise = options.target(),
}

function M.check(given, path, problems)
    return options.collect(SPEC, given, path, problems)
end

-- Ringing as it sounds at home, since a call that has been answered hears nothing else.
local RINGS = {
    GB = "%(400,200,400,450);%(400,2000,400,450)",
    US = "%(2000,4000,440,480)",
    EU = "%(1000,4000,425)",
}
for _, country in ipairs({ "IE", "AU", "NZ", "SG", "HK", "IN", "ZA" }) do
    RINGS[country] = RINGS.GB
end
RINGS.CA = RINGS.US

-- What the switch says of a bridge that came to nothing, in a part's words.
local RESULTS = {
    SUCCESS = common.TAKEN,
    USER_BUSY = "busy",
    NO_ANSWER = "no_answer",
    NO_USER_RESPONSE = "no_answer",
    ALLOTTED_TIMEOUT = "no_answer",
    PROGRESS_TIMEOUT = "no_answer",
    RECOVERY_ON_TIMER_EXPIRE = "no_answer",
    ORIGINATOR_CANCEL = common.GONE,
    CALL_REJECTED = "rejected",
    USER_NOT_REGISTERED = "unreachable",
    SUBSCRIBER_ABSENT = "unreachable",
    UNALLOCATED_NUMBER = "unreachable",
}

-- What is worth telling of several members: somebody who was there comes before nobody.
local WEIGHT = { failed = 1, unreachable = 2, rejected = 3, no_answer = 4, busy = 5 }

-- What a bridge came to. The variable is taken away before, so that it tells of this bridge.
local function bridge(session, dial)
    session:setVariable("originate_disposition", "")
    session:execute("bridge", dial)
    local ready = session:ready()
    local said = session:getVariable("originate_disposition")
    local result = RESULTS[said or ""]
    if not ready then return result == common.TAKEN and result or common.GONE, said end
    if said == "SUCCESS" then return common.TAKEN, said end
    return result or "failed", said
end

local function leg(hunt, one, more)
    local confirm = one.confirm
    if confirm == nil then confirm = hunt.confirm end
    local id = one.caller_id or hunt.caller_id or {}
    local made = {
        ring_timeout_ms = one.ring_timeout_ms or hunt.ring_timeout_ms,
        delay_ms = hunt.strategy ~= "sequential" and one.delay_ms or 0,
        caller_name = id.name,
        caller_number = id.number,
    }
    if confirm then
        made.confirm_key = confirm.key
        made.confirm_sound = confirm.prompt
        made.confirm_timeout_ms = confirm.timeout_ms
    end
    for name, value in pairs(more) do made[name] = value end
    return made
end

-- The engine's routes to a number; nothing where it has none.
local function routes(number)
    local answer, why = fsx.route({ number = number })
    if not answer then
        fsx.log("warning", "hunt: no route to " .. number .. ": " .. tostring(why))
        return {}
    end
    if answer.decision ~= "route" or not answer.routes then
        fsx.log("info", "hunt: no route to " .. number .. ": " .. tostring(answer.cause))
        return {}
    end
    return answer.routes
end

-- The legs of one member: a user's one, or one for each route to a number.
local function legs(hunt, one, most)
    if one.user then
        return { leg(hunt, one, { user = one.user, domain = one.domain }) }
    end
    local found = {}
    for _, route in ipairs(routes(one.number)) do
        if #found >= most then break end
        found[#found + 1] = leg(hunt, one, { route = route })
    end
    return found
end

-- After these another carrier will not do better.
local FINAL = { busy = true, no_answer = true, rejected = true }

local function ring_one(session, hunt, one)
    local result, said = "failed", nil
    for _, each in ipairs(legs(hunt, one, 8)) do
        result, said = bridge(session, fsx.dial({ legs = { each } }))
        if result == common.TAKEN or result == common.GONE or FINAL[result] then break end
    end
    return result, said
end

local function stops(hunt, result)
    return (result == "busy" and hunt.on_busy == "stop")
        or (result == "no_answer" and hunt.on_no_answer == "stop")
        or (result == "rejected" and hunt.on_rejected == "stop")
end

local function in_turn(session, hunt)
    local best, cause
    local until_s = os.time() + common.seconds(hunt.timeout_ms)
    for _ = 1, hunt.rounds do
        for _, one in ipairs(hunt.members) do
            if best and os.time() >= until_s then return best, cause end
            local result, said = ring_one(session, hunt, one)
            if result == common.TAKEN or result == common.GONE then return result, said end
            if not best or (WEIGHT[result] or 0) > (WEIGHT[best] or 0) then
                best, cause = result, said
            end
            if stops(hunt, result) then return result, said end
        end
        -- Members of whom none can be reached at all are not tried again.
        if (WEIGHT[best] or 0) < WEIGHT.rejected then break end
    end
    return best, cause
end

local function at_once(session, hunt)
    local all, each = {}, hunt.strategy == "enterprise" and 4 or 1
    for _, one in ipairs(hunt.members) do
        local its = legs(hunt, one, each)
        -- More than the switch takes in one string.
        if #its > 0 and #all < 100 then
            if hunt.strategy == "enterprise" then
                all[#all + 1] = its
            else
                all[#all + 1] = its[1]
            end
        end
    end
    if #all == 0 then return "failed" end
    return bridge(session, fsx.dial({ legs = all, how = hunt.strategy }))
end

-- Hunts. "taken", "gone", or "busy", "no_answer", "rejected", "unreachable", "failed" with the
-- switch's own cause, where there is no `otherwise`.
function M.run(session, given, depth)
    local hunt = options.read("hunt", SPEC, given)
    if hunt.announce then
        if not common.answer(session) or not common.play(session, hunt.announce) then
            return common.GONE
        end
    end
    if not session:ready() then return common.GONE end
    local ring = hunt.ringback or RINGS[call.country or ""] or RINGS.EU
    session:setVariable("ringback", ring)
    session:setVariable("transfer_ringback", ring)
    session:setVariable("ignore_early_media", hunt.early_media and "" or "true")
    -- A bridge that comes to nothing must not end the call.
    session:setVariable("continue_on_fail", "true")
    session:setVariable("failure_causes", "")
    session:setVariable("hangup_after_bridge", hunt.after == "hangup" and "true" or "false")
    session:setVariable("call_timeout", common.seconds(math.min(hunt.timeout_ms, 300000)))

    local run = hunt.strategy == "sequential" and in_turn or at_once
    local result, said = run(session, hunt)
    if result == common.TAKEN then
        if hunt.after == "hangup" then common.hangup(session, "NORMAL_CLEARING") end
        return result, said
    end
    if result == common.GONE or not session:ready() then return common.GONE, said end
    fsx.log("info", "hunt: nobody took the call: " .. result .. " " .. tostring(said))
    if hunt.otherwise then return target.run(session, hunt.otherwise, depth, result) end
    return result, said
end

return M
