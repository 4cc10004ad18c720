-- Policy documents: ordered rules as JSON, for people and systems that write no Lua.
--
--   {"zone": "Europe/London",
--    "rules": [
--      {"when": {"days": "mon-fri", "from": "09:00", "to": "17:30"}, "then": {"queue": "sales"}},
--      {"when": {"countries": ["FR"]}, "then": {"user": "1002"}},
--      {"when": "fallback", "then": {"voicemail": "1001"}}]}
--
-- The first rule that holds gets the call. A document is checked as a whole before any of it is
-- used, and what is wrong is named by its path: `rules[2].when.days[0]: …`.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"
local screening = require "fsx.parts.screening"

local M = {}

local DAYS = { mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6, sun = 7 }

-- "mon", "mon-fri", "sat,sun", "*".
local days = options.reader(nil, function(value, path, problems)
    if type(value) ~= "string" then return options.expected(problems, path, "days as text", value) end
    for token in (value:lower():gsub("%s", "") .. ","):gmatch("(.-),") do
        local first, last = token:match("^(%a+)%-(%a+)$")
        if token ~= "*" and not DAYS[token] and not (DAYS[first or ""] and DAYS[last or ""]) then
            return options.add(problems, path,
                "expected mon to sun, a range such as mon-fri or *, got " .. options.shown(token))
        end
    end
    return value
end)

local function clock(most)
    return options.reader(nil, function(value, path, problems)
        local hour, min = tostring(value):match("^(%d%d?):(%d%d)$")
        hour, min = tonumber(hour), tonumber(min)
        if type(value) ~= "string" or not hour or min > 59 or hour * 60 + min > most then
            return options.add(problems, path, "expected a time such as 09:00, got "
                .. options.shown(value))
        end
        return value
    end)
end

local zone = options.reader(nil, function(value, path, problems)
    if type(value) ~= "string" or not pcall(fsx.time.at, 0, value) then
        return options.add(problems, path, "expected a time zone such as Europe/London, got "
            .. options.shown(value))
    end
    return value
end)

-- Dates as fsx.time has holidays. One is tried by itself, so that its own path can be told.
local date = options.reader(nil, function(value, path, problems)
    local ok, why = false, "expected a date"
    if type(value) == "string" or type(value) == "table" then
        ok, why = pcall(fsx.time.open, { holidays = { value } }, 0)
    end
    if not ok then
        local text = tostring(why):match("^[^\n]*"):gsub("^.*holidays%[?%d*%]?[:.] ?", "")
        return options.add(problems, path, "expected a date such as 2026-12-25 or 12-25: " .. text)
    end
    return value
end)

local country = options.word("%u%u", "a country as two capital letters, such as GB", nil, 2)
local area = options.word("%+%d", "the beginning of a number, such as +4420", nil, 16)
area = options.reader(nil, function(value, path, problems)
    if type(value) ~= "string" or not value:find("^%+%d+$") or #value > 16 then
        return options.add(problems, path, "expected the beginning of a number, such as +4420, got "
            .. options.shown(value))
    end
    return value
end)
local number = options.word("[%d+*]", "a number, or its beginning and *", nil, 33)

local CONDITION = {
    -- Time.
    days = options.list(days, 1, 7),
    from = clock(24 * 60 - 1),
    to = clock(24 * 60),
    dates = options.list(date, 1, 400),
    holiday = options.flag(),
    zone = zone,
    -- Geography: where the caller's number is from.
    countries = options.list(country, 1, 250),
    areas = options.list(area, 1, 1000),
    -- Caller.
    callers = options.list(number, 1, 1000),
    anonymous = options.flag(),
    -- The number that was dialled.
    called = options.list(number, 1, 1000),
}

local condition = options.reader(nil, function(value, path, problems)
    if value == "fallback" then return value end
    if type(value) ~= "table" then
        return options.expected(problems, path, "conditions, or \"fallback\"", value)
    end
    if next(value) == nil then return options.add(problems, path, "holds no condition") end
    return options.collect(CONDITION, value, path, problems)
end)

local variables = options.reader(nil, function(value, path, problems)
    if type(value) ~= "table" then return options.expected(problems, path, "variables", value) end
    local names = {}
    for name in pairs(value) do names[#names + 1] = tostring(name) end
    table.sort(names)
    for _, name in ipairs(names) do
        local at = options.at(path, name)
        if not name:find("^[%w_%-%.]+$") then options.add(problems, at, "is no name of a variable") end
        if type(value[name]) ~= "string" and type(value[name]) ~= "number" then
            options.expected(problems, at, "text", value[name])
        end
    end
    return value
end)

local RULE = {
    name = options.text(nil, 100),
    when = options.required(condition),
    unless = condition,
    set = variables,
    ["then"] = options.required(options.target()),
}

local DOCUMENT = {
    version = options.whole(1, 1, 1),
    name = options.text(nil, 100),
    description = options.text(nil, 1000),
    zone = zone,
    holidays = options.list(date, 0, 400),
    rules = options.required(options.list(options.group(RULE), 1, 200)),
}

local SOURCE = {
    -- A JSON file of the bundle ("night.json"), JSON text, or a table.
    document = options.reader(nil, function(value, path, problems)
        if type(value) ~= "string" and type(value) ~= "table" then
            return options.expected(problems, path, "a document", value)
        end
        return value
    end),
    -- Or the path of the Core API that gives it.
    core = options.group({
        path = options.required(options.word("[%w/._~%-]", "a path", nil, 500)),
        query = options.reader(nil, function(value, path, problems)
            if type(value) ~= "table" then return options.expected(problems, path, "a table", value) end
            return value
        end),
        timeout_ms = options.ms(1500, 1, 30000),
        cache_s = options.whole(30, 0, 86400),
        stale_s = options.whole(86400, 0, 604800),
    }),
    -- What a field that is not known does: "refuse", or "warn", a line in the log.
    unknown = options.choice({ "refuse", "warn" }, "refuse"),
    -- Where the call goes when there is no document that can be used, or nothing in it takes it.
    otherwise = options.target(),
}

function M.check(given, path, problems)
    local values = options.collect(SOURCE, given, path, problems)
    if (given.document == nil) == (given.core == nil) then
        options.add(problems, path, "expected either document or core")
    end
    return values
end

-- What is wrong with a document: a list of lines, empty for one that can be used; then warnings; then
-- the document as read.
function M.problems(document, unknown)
    local problems = options.problems(0, unknown)
    if type(document) ~= "table" then
        options.add(problems, "", "a policy document is an object with rules")
        return problems, problems.warnings
    end
    local read = options.collect(DOCUMENT, document, "", problems)
    local rules = type(document.rules) == "table" and document.rules or {}
    for n, rule in ipairs(rules) do
        if type(rule) == "table" and rule.when == "fallback" and n < #rules then
            options.add(problems, "rules[" .. (n - 1) .. "].when",
                "fallback is the last rule; the ones after it would never be used")
            break
        end
    end
    return problems, problems.warnings, read
end

local function holds_time(when, document)
    local at = when.zone or document.zone
    if when.days or when.from or when.to then
        local hours = { { days = when.days, from = when.from, to = when.to } }
        if not fsx.time.open({ zone = at, hours = hours }) then return false end
    end
    -- Dates are days on which a place that is always open is closed.
    local function is_among(dates)
        return not fsx.time.open({ zone = at, hours = { {} }, holidays = dates })
    end
    if when.dates and not is_among(when.dates) then return false end
    if when.holiday ~= nil then
        local holiday = document.holidays ~= nil and #document.holidays > 0
            and is_among(document.holidays)
        if holiday ~= when.holiday then return false end
    end
    return true
end

local function has(list, value)
    for _, each in ipairs(list) do
        if each == value then return true end
    end
    return false
end

local function holds(when, document)
    if when == "fallback" then return true end
    if not holds_time(when, document) then return false end
    local hidden = screening.is_anonymous()
    if when.anonymous ~= nil and when.anonymous ~= hidden then return false end
    -- A caller who shows no number is from nowhere and nobody.
    if (when.countries or when.areas or when.callers) and hidden then return false end
    if when.countries and not has(when.countries, fsx.number.country(call.caller) or "") then
        return false
    end
    if when.areas then
        local e164, inside = fsx.number.normalise(call.caller) or "", false
        for _, each in ipairs(when.areas) do inside = inside or e164:sub(1, #each) == each end
        if not inside then return false end
    end
    if when.callers and not screening.matches(when.callers, call.caller) then return false end
    if when.called and not screening.matches(when.called, call.number) then return false end
    return true
end

-- The rule that gets this call and its number from 0; nil where none does.
function M.choose(document)
    for n, rule in ipairs(document.rules) do
        if holds(rule.when, document) and not (rule.unless and holds(rule.unless, document)) then
            return rule, n - 1
        end
    end
    return nil
end

-- The document that `source` names, read and checked; nil and everything that is wrong.
local function load(source)
    local document, name = source.document, "document"
    if source.core then
        name = source.core.path
        local reply, why = fsx.core.get(source.core.path, {
            query = source.core.query,
            timeout_ms = source.core.timeout_ms,
            cache_s = source.core.cache_s,
            stale_s = source.core.stale_s,
        })
        if not reply then return nil, { name .. ": " .. tostring(why) } end
        if not reply.ok then return nil, { name .. ": the Core API says " .. tostring(reply.status) } end
        document = reply.body
    elseif type(document) == "string" and not document:find("^%s*{") then
        name = document
        local text, why = fsx.file(document)
        if not text then return nil, { tostring(why) } end
        document = text
    end
    if type(document) == "string" then
        local decoded, why = fsx.json.decode(document)
        if decoded == nil then return nil, { name .. ": " .. tostring(why) } end
        document = decoded
    end
    local problems, warnings, read = M.problems(document, source.unknown)
    for _, line in ipairs(warnings) do fsx.log("warning", name .. ": " .. line) end
    if #problems > 0 then
        local lines = {}
        for n, line in ipairs(problems) do lines[n] = name .. ": " .. line end
        return nil, lines
    end
    return read
end
M.load = function(source) return load(options.read("document", SOURCE, source)) end

-- Gives the call to the first rule that holds. "taken", "gone", "continue"; "invalid" with what is
-- wrong, "no_match", or what the rule's targets came to, where nothing else takes the call.
function M.run(session, given, depth)
    if type(given) == "string" then given = { document = given } end
    local problems = options.problems(1)
    if type(given) ~= "table" then
        error("document: expected a table of options, got " .. type(given), 0)
    end
    local source = M.check(given, "", problems)
    if #problems > 0 then error("document: " .. problems[1], 0) end
    if not session:ready() then return common.GONE end

    local result, more
    local document, wrong = load(source)
    if not document then
        for _, line in ipairs(wrong) do fsx.log("error", "document: " .. line) end
        result, more = "invalid", wrong
    else
        local rule, n = M.choose(document)
        if not rule then
            result = "no_match"
        else
            fsx.log("info", "document: rule " .. n .. (rule.name and (" (" .. rule.name .. ")") or ""))
            for name, value in pairs(rule.set or {}) do
                -- One that may not be set must not cost the call.
                local ok, why = pcall(session.setVariable, session, name, tostring(value))
                if not ok then
                    fsx.log("error", "document: rules[" .. n .. "].set." .. name .. ": "
                        .. tostring(why):match("^[^\n]*"))
                end
            end
            result, more = target.run(session, rule["then"], depth)
            -- What nobody took falls to the fallback.
            local last = document.rules[#document.rules]
            if last.when == "fallback" and last ~= rule and session:ready()
                and result ~= common.TAKEN and result ~= common.GONE and result ~= "continue" then
                fsx.log("info", "document: rule " .. n .. " came to " .. tostring(result)
                    .. "; the fallback has the call")
                result, more = target.run(session, last["then"], depth, result)
            end
        end
    end
    local done = result == common.TAKEN or result == common.GONE or result == "continue"
    if not done and source.otherwise then
        return target.run(session, source.otherwise, depth, result)
    end
    return result, more
end

return M
