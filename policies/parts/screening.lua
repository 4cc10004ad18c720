-- Screening: who may come through, by number, by PIN, or by the word of the one who is called.
--
-- A list says who; a number that is on both is refused. A caller who hides the number may be
-- refused, or asked for a PIN like anybody who is on no list.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"
local get_info = require "fsx.parts.get_info"

local M = {}

-- "+447700900123", "+4477*", "1001".
local number = options.word("[%d+*]", "a number, or its beginning and *", nil, 33)

local PIN = {
    pins = options.list(options.keys(nil, 16), 1, 200),
    validate = options.func(),
    prompt = options.required(options.sound()),
    invalid = options.sound(),
    tries = options.whole(3, 1, 10),
    timeout_ms = options.ms(5000, 1000, 60000),
    -- So many wrong PINs from one caller within `lock_s` and the caller is not asked any more.
    lock_after = options.whole(10, 1, 1000),
    lock_s = options.whole(3600, 1, 604800),
}

local SPEC = {
    allow = options.list(number, 0, 1000),
    deny = options.list(number, 0, 1000),
    -- A caller who shows no number: "allow", "deny", or "pin".
    anonymous = options.choice({ "allow", "deny", "pin" }, "allow"),
    -- A caller who is on neither list: the same. With `allow` and without this, "deny".
    others = options.choice({ "allow", "deny", "pin" }),
    pin = options.group(PIN),
    -- Played to a caller who is refused, before the call is ended.
    refusal = options.prompt(),
    cause = options.word("[A-Z_]", "a cause as the switch names it", "CALL_REJECTED", 64),
    -- Where refused callers go instead.
    otherwise = options.target(),
}

function M.check(given, path, problems)
    local values = options.collect(SPEC, given, path, problems)
    local asks = values.anonymous == "pin" or values.others == "pin"
    if asks and not values.pin then options.add(problems, options.at(path, "pin"), "is missing") end
    local pin = values.pin
    if pin and not pin.pins and not pin.validate then
        options.add(problems, options.at(path, "pin"), "has neither pins nor validate")
    end
    return values
end

-- Whether a number matches one of a list. Both are compared by their digits as given and, where
-- they are numbers of the world, in E.164.
function M.matches(list, caller)
    if not list or not caller or caller == "" then return false end
    local e164 = fsx.number.normalise(caller) or caller
    for _, each in ipairs(list) do
        local start = each:match("^(.-)%*+$")
        for _, form in ipairs({ caller, e164 }) do
            if form == each or (start and form:sub(1, #start) == start) then return true end
        end
        if not start and fsx.number.normalise(each) == e164 then return true end
    end
    return false
end

-- A caller who shows no number, or asks for it not to be shown.
function M.is_anonymous()
    local caller = (call.caller or ""):lower()
    if call.withhold or caller == "" then return true end
    for _, word in ipairs({ "anonymous", "restricted", "withheld", "unavailable", "unknown", "private" }) do
        if caller:find(word, 1, true) then return true end
    end
    local privacy = (call.vars.sip_h_Privacy or call.vars.privacy or ""):lower()
    return privacy:find("id", 1, true) ~= nil or privacy == "full" or privacy == "number"
end

local function wrong_pins()
    return "fsx.screening.pin." .. (call.caller or "anonymous")
end

local function asks_pin(session, pin)
    local key = wrong_pins()
    local before = fsx.kv.get(key)
    if type(before) == "number" and before >= pin.lock_after then
        fsx.log("warning", "screening: too many wrong PINs; the caller is not asked")
        return false, "locked"
    end
    local digits, why = get_info.run(session, {
        prompt = pin.prompt,
        invalid = pin.invalid,
        tries = pin.tries,
        timeout_ms = pin.timeout_ms,
        max = 16,
        validate = function(digits)
            local good = false
            if pin.pins then
                for _, each in ipairs(pin.pins) do good = good or each == digits end
            end
            if not good and pin.validate then good = pin.validate(digits) == true end
            if not good then
                local sum = fsx.kv.add(key, 1, pin.lock_s)
                if sum >= pin.lock_after then return false end
            end
            return good
        end,
    })
    if digits then return true, "pin" end
    return false, why
end

-- "passed" and why ("allowed", "anonymous", "other", "pin"), or "rejected" and why ("denied",
-- "anonymous", "other", "timeout", "invalid", "locked"), after which the call has been ended unless
-- `otherwise` took it. "gone" when the caller hung up.
function M.run(session, given, depth)
    local problems = options.problems(1)
    if type(given) ~= "table" then
        error("screening: expected a table of options, got " .. type(given), 0)
    end
    local screen = M.check(given, "", problems)
    if #problems > 0 then error("screening: " .. problems[1], 0) end
    if not session:ready() then return common.GONE end

    local does, why
    if M.matches(screen.deny, call.caller) then
        does, why = "deny", "denied"
    elseif M.is_anonymous() then
        does, why = screen.anonymous, "anonymous"
    elseif M.matches(screen.allow, call.caller) then
        does, why = "allow", "allowed"
    else
        does, why = screen.others or (screen.allow and "deny" or "allow"), "other"
    end
    if does == "allow" then return "passed", why end
    if does == "pin" then
        local good
        good, why = asks_pin(session, screen.pin)
        if good then return "passed", why end
        if why == common.GONE or not session:ready() then return common.GONE end
    end
    fsx.log("info", "screening: rejected: " .. tostring(why))
    if screen.otherwise then return target.run(session, screen.otherwise, depth, why) end
    if screen.refusal then
        if not common.answer(session) or not common.play(session, screen.refusal) then
            return common.GONE
        end
    end
    common.hangup(session, screen.cause)
    return "rejected", why
end

-- A sound that tells the one who is called who calls: `before`, the caller's number digit by digit,
-- `after` ("press 1 to take the call"). For the `prompt` of a hunt's `confirm`.
function M.announcement(before, after)
    local list = { before }
    local caller = M.is_anonymous() and "" or (call.caller or "")
    for digit in caller:gmatch("%d") do
        if #list < 20 then list[#list + 1] = "digits/" .. digit .. ".wav" end
    end
    list[#list + 1] = after
    return list
end

return M
