-- Gets something from a caller by the keys: an account number, an order, a choice.
--
-- What is pressed is checked before it is used, read back where that is asked for, and may be sent
-- to the Core API, whose answer can refuse it. A caller has so many tries and no more.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"

local M = {}

local READ_BACK = {
    -- Played before and after the digits are read out.
    before = options.prompt(),
    after = options.required(options.sound()),
    yes = options.keys("1", 1),
    module = options.text("en"),
}

local POST = {
    -- Path of the Core API, and the name that the digits have in what is posted.
    path = options.required(options.word("[%w/._~%-]", "a path", nil, 500)),
    field = options.name("digits"),
    -- Sent beside them.
    with = options.reader(nil, function(value, path, problems)
        if type(value) ~= "table" then return options.expected(problems, path, "a table", value) end
        return value
    end),
    timeout_ms = options.ms(2000, 1, 30000),
    -- What no answer at all means: "accept" or "fail".
    on_error = options.choice({ "accept", "fail" }, "fail"),
}

local SPEC = {
    prompt = options.required(options.sound()),
    min = options.whole(1, 1, 64),
    max = options.whole(16, 1, 64),
    tries = options.whole(3, 1, 10),
    timeout_ms = options.ms(5000, 1000, 60000),
    digit_timeout_ms = options.ms(3000, 500, 30000),
    -- Keys that end the input; they are no part of it.
    terminators = options.keys("#", 4),
    -- A Lua pattern that all of it has to match, or the only answers there are, or a function that
    -- gives true, or false and what to play.
    pattern = options.text(nil, 100),
    only = options.list(options.keys(nil, 64), 1, 200),
    validate = options.func(),
    invalid = options.sound(),
    timeout = options.sound(),
    read_back = options.group(READ_BACK),
    -- Channel variable that keeps it. Not for card numbers: variables are in call records.
    variable = options.word("[%w_%-%.]", "the name of a channel variable", nil, 128),
    post = options.group(POST),
    otherwise = options.target(),
    answer = options.flag(true),
}

function M.check(given, path, problems)
    local values = options.collect(SPEC, given, path, problems)
    if values.min and values.max and values.min > values.max then
        options.add(problems, options.at(path, "min"), "is more than max")
    end
    if values.pattern and not pcall(string.find, "", values.pattern) then
        options.add(problems, options.at(path, "pattern"), "is no Lua pattern")
    end
    return values
end

-- Whether it may be what was asked for, and what to play where not.
local function fits(info, digits)
    if #digits < info.min then return false end
    if info.pattern and not digits:find("^" .. info.pattern .. "$") then return false end
    if info.only then
        local known = false
        for _, each in ipairs(info.only) do known = known or each == digits end
        if not known then return false end
    end
    if info.validate then return info.validate(digits) end
    return true
end

-- Whether the caller says that this is it; nil when the caller is gone.
local function agreed(session, info, digits)
    local back = info.read_back
    if back.before and not common.play(session, back.before) then return nil end
    session:say(digits, back.module, "number", "iterated")
    if not session:ready() then return nil end
    local key, how = common.digits(session, 1, back.after, info.timeout_ms, "none", 1000)
    if how == common.GONE then return nil end
    return key == back.yes
end

-- Whether the Core API takes it, and its answer.
local function posted(info, digits)
    local post, body = info.post, {}
    for name, value in pairs(post.with or {}) do body[name] = value end
    body[post.field] = digits
    local reply, why = fsx.core.post(post.path, body, { timeout_ms = post.timeout_ms })
    if not reply or reply.status >= 500 then
        fsx.log("warning", "get_info: " .. tostring(why or reply.status))
        if post.on_error == "accept" then return true end
        return nil
    end
    return reply.ok, reply.json
end

-- The digits and what the Core API said of them, or nil and why: "timeout", "invalid", "failed" (no
-- answer from the Core API), "gone"; or what became of `otherwise`.
function M.run(session, given, depth)
    if type(given) ~= "table" then
        error("get_info: expected a table of options, got " .. type(given), 0)
    end
    local problems = options.problems(1)
    local info = M.check(given, "", problems)
    if #problems > 0 then error("get_info: " .. problems[1], 0) end
    if info.answer and not common.answer(session) then return nil, common.GONE end

    local why = "timeout"
    for try = 1, info.tries do
        local digits, how = common.digits(session, info.max, info.prompt, info.timeout_ms,
            info.terminators, info.digit_timeout_ms)
        if how == common.GONE then return nil, common.GONE end
        local sorry = info.timeout
        if digits == "" then
            why = "timeout"
        else
            why = "invalid"
            local good, say = fits(info, digits)
            local reply
            if good and info.read_back then
                good = agreed(session, info, digits)
                if good == nil then return nil, common.GONE end
            end
            if good and info.post then
                good, reply = posted(info, digits)
                if good == nil then
                    why = "failed"
                    break
                end
            end
            if good then
                if info.variable then session:setVariable(info.variable, digits) end
                return digits, reply
            end
            sorry = type(say) == "string" and say or info.invalid
        end
        if sorry and try < info.tries and not common.play(session, sorry) then
            return nil, common.GONE
        end
        if not session:ready() then return nil, common.GONE end
    end
    if info.otherwise then return nil, (target.run(session, info.otherwise, depth, why)) end
    return nil, why
end

return M
