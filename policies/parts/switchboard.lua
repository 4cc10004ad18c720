-- A switchboard: plays a greeting, takes a choice or an extension, and gives the call on.
--
-- A caller who presses nothing or something unknown is asked again, a few times and no more; after
-- that the call goes to `otherwise`, or is ended with a word.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"

local M = {}

local BACK, AGAIN = "back", "again"

local function choice_target(value, path, problems)
    if value == BACK or value == AGAIN then return value end
    return options.target().check(value, path, problems)
end

-- {["1"] = target, …}. A JSON document writes the same.
local choices = options.reader(nil, function(value, path, problems)
    if type(value) ~= "table" then
        return options.expected(problems, path, "choices by their keys", value)
    end
    local found, count = {}, 0
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, key in ipairs(keys) do
        -- [1] = … and ["1"] = … are the same key of a telephone.
        local name = type(key) == "number" and string.format("%.0f", key) or key
        local at = path .. "." .. tostring(name)
        if type(name) ~= "string" or not name:find("^[%d*#]+$") or #name > 8 then
            options.add(problems, at, "expected 1 to 8 of the keys 0-9, * and #")
        elseif #name > 1 and name:find("#") then
            options.add(problems, at, "# is only a choice by itself")
        else
            found[name] = choice_target(value[key], at, problems)
            count = count + 1
        end
    end
    return found, count
end)

local EXTENSIONS = {
    -- How many digits an extension has.
    min = options.whole(3, 1, 12),
    max = options.whole(5, 1, 12),
    -- The only ones there are; without it every one of that length is tried.
    only = options.list(options.name(), 1, 1000),
    -- What takes it: a function(session, digits), or nothing for the user of that name.
    to = options.func(),
    domain = options.domain(),
    ring_timeout_ms = options.ms(20000, 1000, 300000),
}

local SPEC = {
    greeting = options.required(options.sound()),
    -- Played in its place from the second time on.
    greeting_short = options.sound(),
    choices = choices,
    extensions = options.group(EXTENSIONS),
    invalid = options.sound(),
    timeout = options.sound(),
    goodbye = options.sound(),
    -- How long the caller has after a prompt, and between two digits.
    timeout_ms = options.ms(5000, 1000, 60000),
    digit_timeout_ms = options.ms(2000, 500, 30000),
    -- How often the caller may press nothing, or something unknown.
    max_timeouts = options.whole(3, 1, 20),
    max_invalid = options.whole(3, 1, 20),
    -- How often the menu may be heard in all: choices that come back come here again.
    max_turns = options.whole(20, 1, 200),
    -- Where a call goes that chose nothing.
    otherwise = options.target(),
    -- Whether to answer first. The switch plays to a call that it has not answered as early media.
    answer = options.flag(true),
}

function M.check(given, path, problems)
    local values = options.collect(SPEC, given, path, problems)
    if given.choices == nil and given.extensions == nil then
        options.add(problems, path, "has neither choices nor extensions")
    end
    local extensions = values.extensions
    if extensions and extensions.min and extensions.max and extensions.min > extensions.max then
        options.add(problems, options.at(path, "extensions.min"), "is more than max")
    end
    return values
end

-- Longest thing that may be pressed, and what ends it.
local function reach(menu)
    local longest, hash = 1, false
    for key in pairs(menu.choices or {}) do
        longest = math.max(longest, #key)
        hash = hash or key == "#"
    end
    if menu.extensions then longest = math.max(longest, menu.extensions.max) end
    -- A terminator may be pressed as a choice of its own, so "#" is one only if it is the other.
    return longest, hash
end

local function extension(menu, digits)
    local of = menu.extensions
    if not of or not digits:find("^%d+$") or #digits < of.min or #digits > of.max then return nil end
    if of.only then
        local known = false
        for _, name in ipairs(of.only) do known = known or name == digits end
        if not known then return nil end
    end
    if of.to then return of.to end
    return { user = digits, domain = of.domain, ring_timeout_ms = of.ring_timeout_ms }
end

-- Runs the menu. "taken", "gone", "back" (the caller went back to what called it), or "timeout" or
-- "invalid" where it came to nothing and there is no `otherwise`.
function M.run(session, given, depth)
    depth = (depth or 0) + 1
    local problems = options.problems(1)
    if type(given) ~= "table" then
        error("switchboard: expected a table of options, got " .. type(given), 0)
    end
    local menu = M.check(given, "", problems)
    if #problems > 0 then error("switchboard: " .. problems[1], 0) end
    if depth > options.MAX_DEPTH then return common.hangup(session, "loop") end

    if menu.answer and not common.answer(session) then return common.GONE end
    local longest, hash = reach(menu)
    local timeouts, invalids, heard, last = 0, 0, 0, "timeout"
    while heard < menu.max_turns do
        heard = heard + 1
        local greeting = heard > 1 and menu.greeting_short or menu.greeting
        local digits, how, key = common.digits(
            session, longest, greeting, menu.timeout_ms, "#", menu.digit_timeout_ms)
        if how == common.GONE then return common.GONE end
        if key and hash then digits = key end
        local chosen
        if digits ~= "" then
            chosen = (menu.choices or {})[digits] or extension(menu, digits)
        end
        if chosen == BACK then
            return BACK
        elseif chosen == AGAIN then
            last = "timeout"
        elseif chosen then
            local result, more = target.run(session, chosen, depth, digits)
            if result == common.TAKEN or result == common.GONE then return result, more end
            if result == "continue" then return result, digits end
            -- Nobody took it: the caller is still here and may choose again.
        elseif digits == "" then
            last, timeouts = "timeout", timeouts + 1
            if timeouts >= menu.max_timeouts then break end
            if menu.timeout and not common.play(session, menu.timeout) then return common.GONE end
        else
            last, invalids = "invalid", invalids + 1
            if invalids >= menu.max_invalid then break end
            if menu.invalid and not common.play(session, menu.invalid) then return common.GONE end
        end
        if not session:ready() then return common.GONE end
    end
    if menu.otherwise then return target.run(session, menu.otherwise, depth, last) end
    if menu.goodbye then
        if not common.play(session, menu.goodbye) then return common.GONE end
        return common.hangup(session, "NORMAL_CLEARING")
    end
    return last
end

return M
