-- What a part is given, checked before anything is done to the call.
--
-- A wrong option that is met in the middle of a call costs a caller. So every part says what it
-- takes as a table of readers, all of it is read first, and everything wrong is named at once, each
-- with its path: `choices.1.queue: expected text, got number`.

local M = {}

-- Deepest nesting of targets and lists. A table that holds itself ends here.
M.MAX_DEPTH = 16

-- Most problems that are named.
local MAX_PROBLEMS = 50

-- A list of problems. `base` is the number of a list's first element: 1 for Lua, 0 for JSON.
-- `unknown` is "refuse" or "warn".
function M.problems(base, unknown)
    return { base = base or 1, unknown = unknown or "refuse", warnings = {}, depth = 0 }
end

function M.add(problems, path, text)
    if #problems < MAX_PROBLEMS then
        problems[#problems + 1] = path == "" and text or (path .. ": " .. text)
    end
end

-- A field that is not known: a problem or a warning.
function M.unknown(problems, path, text)
    if problems.unknown ~= "warn" then return M.add(problems, path, text) end
    local list = problems.warnings
    if #list < MAX_PROBLEMS then list[#list + 1] = path .. ": " .. text end
end

-- The path of `name` in `path`.
function M.at(path, name)
    if type(name) == "number" then return path .. "[" .. string.format("%d", name) .. "]" end
    name = tostring(name)
    if path == "" then return name end
    return path .. "." .. name
end

local function kind_of(value)
    if type(value) == "table" then return #value > 0 and "a list" or "a table" end
    if type(value) == "string" then return "text" end
    return type(value)
end

local function expected(problems, path, what, value)
    M.add(problems, path, "expected " .. what .. ", got " .. kind_of(value))
    return nil
end
M.expected = expected

-- A value as a message may show it.
local function shown(value)
    local text = tostring(value)
    if #text > 40 then text = text:sub(1, 40) .. "…" end
    return '"' .. text:gsub("%c", " ") .. '"'
end
M.shown = shown

-- Readers -----------------------------------------------------------------------------------------

local function reader(default, check, required)
    return { default = default, check = check, required = required }
end
M.reader = reader

-- The same reader, for an option that has to be there.
function M.required(of)
    return { check = of.check, required = true }
end

-- Text without control characters.
function M.text(default, max)
    return reader(default, function(value, path, problems)
        if type(value) ~= "string" then return expected(problems, path, "text", value) end
        if value == "" then return M.add(problems, path, "is empty") end
        if #value > (max or 200) then
            return M.add(problems, path, #value .. " bytes, expected at most " .. (max or 200))
        end
        if value:find("%c") then return M.add(problems, path, "holds a control character") end
        return value
    end)
end

-- Text of the characters of `pattern`, a Lua character class; `what` says so in words.
function M.word(pattern, what, default, max)
    local text = M.text(default, max)
    return reader(default, function(value, path, problems)
        -- 1001 and "1001" are the same extension.
        if type(value) == "number" and value >= 0 and value < 1e15 and value % 1 == 0 then
            value = string.format("%.0f", value)
        end
        local given = text.check(value, path, problems)
        if given and not given:find("^" .. pattern .. "+$") then
            return M.add(problems, path, "expected " .. what .. ", got " .. shown(given))
        end
        return given
    end)
end

-- A user, mailbox or extension.
function M.name(default)
    return M.word("[%w._%-]", "letters, digits, dots, hyphens and underscores", default, 64)
end

-- A domain.
function M.domain()
    return M.word("[%w._%-]", "a domain", nil, 128)
end

function M.flag(default)
    return reader(default, function(value, path, problems)
        if type(value) ~= "boolean" then return expected(problems, path, "true or false", value) end
        return value
    end)
end

function M.whole(default, min, max)
    return reader(default, function(value, path, problems)
        if type(value) ~= "number" or value % 1 ~= 0 then
            return expected(problems, path, "a whole number", value)
        end
        if value < min or value > max then
            return M.add(problems, path, string.format("%.0f, expected %d to %d", value, min, max))
        end
        return value
    end)
end

-- Milliseconds.
function M.ms(default, min, max)
    local whole = M.whole(default, min or 0, max or 3600000)
    return reader(default, function(value, path, problems)
        if type(value) ~= "number" then return expected(problems, path, "milliseconds", value) end
        return whole.check(value, path, problems)
    end)
end

function M.choice(words, default)
    return reader(default, function(value, path, problems)
        for _, word in ipairs(words) do
            if value == word then return value end
        end
        return M.add(problems, path, "expected one of " .. table.concat(words, ", ") .. ", got "
            .. (type(value) == "string" and shown(value) or kind_of(value)))
    end)
end

function M.func()
    return reader(nil, function(value, path, problems)
        if type(value) ~= "function" then return expected(problems, path, "a function", value) end
        return value
    end)
end

-- Keys of a telephone.
function M.keys(default, max)
    return M.word("[%d*#]", "digits, * and #", default, max or 32)
end

-- A list of what `of` reads. One value alone is a list of one.
function M.list(of, min, max)
    return reader(nil, function(value, path, problems)
        if type(value) ~= "table" then value = { value } end
        local count, list = 0, {}
        for key in pairs(value) do
            count = count + 1
            if type(key) ~= "number" then return expected(problems, path, "a list", {}) end
        end
        if count ~= #value then return M.add(problems, path, "the list has gaps") end
        if count < (min or 0) then
            return M.add(problems, path, count .. " of them, expected at least " .. min)
        end
        if count > (max or 100) then
            return M.add(problems, path, count .. " of them, expected at most " .. (max or 100))
        end
        for n = 1, count do
            list[n] = of.check(value[n], M.at(path, n - 1 + problems.base), problems)
        end
        return list
    end)
end

-- A table of its own options.
function M.group(spec)
    return reader(nil, function(value, path, problems)
        if type(value) ~= "table" then return expected(problems, path, "a table", value) end
        return M.collect(spec, value, path, problems)
    end)
end

-- What is played: a sound, a list of sounds played one after another, or words of the switch's own:
-- {phrase=, data=, language=}, {say=, type=, method=, module=}, {speak=, engine=, voice=}.
local function sound(value, path, problems)
    if type(value) ~= "string" then return expected(problems, path, "a sound", value) end
    if value == "" or #value > 500 or value:find("[%c'|]") or value:find("${", 1, true) then
        return M.add(problems, path, "is no sound: " .. shown(value))
    end
    return value
end

function M.sound(default)
    return reader(default, function(value, path, problems)
        if type(value) ~= "table" then return sound(value, path, problems) end
        local list = M.list({ check = sound }, 1, 30).check(value, path, problems)
        if not list or #list ~= #value then return nil end
        if #list == 1 then return list[1] end
        return "file_string://" .. table.concat(list, "!")
    end)
end

local WORDS = {
    phrase = { phrase = M.text(), data = M.text(""), language = M.text() },
    say = {
        say = M.text(), type = M.text("number"), method = M.text("pronounced"), module = M.text("en"),
    },
    speak = { speak = M.text(nil, 1000), engine = M.text("flite"), voice = M.text("slt") },
}

function M.prompt(default)
    local plain = M.sound()
    return reader(default, function(value, path, problems)
        if type(value) == "table" and #value == 0 then
            for name, spec in pairs(WORDS) do
                if value[name] ~= nil then return M.collect(spec, value, path, problems) end
            end
        end
        return plain.check(value, path, problems)
    end)
end

-- What the call is given to next; see fsx.parts.target.
function M.target()
    return reader(nil, function(value, path, problems)
        if require("fsx.parts.target").check(value, path, problems) then return value end
        return nil
    end)
end

-- Reading -----------------------------------------------------------------------------------------

-- Options by `spec`, with defaults. What is wrong goes to `problems`.
function M.collect(spec, given, path, problems)
    local values, unknown = {}, {}
    if problems.depth >= M.MAX_DEPTH then
        M.add(problems, path, "is nested more than " .. M.MAX_DEPTH .. " deep")
        return values
    end
    problems.depth = problems.depth + 1
    for name in pairs(given) do
        if spec[name] == nil then unknown[#unknown + 1] = tostring(name) end
    end
    table.sort(unknown)
    for _, name in ipairs(unknown) do
        local known = {}
        for other in pairs(spec) do known[#known + 1] = other end
        table.sort(known)
        local text = "is not known; known here: " .. table.concat(known, ", ")
        M.unknown(problems, M.at(path, shown(name):sub(2, -2)), text)
    end
    local names = {}
    for name in pairs(spec) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do
        local of, value = spec[name], given[name]
        if value ~= nil then
            values[name] = of.check(value, M.at(path, name), problems)
        elseif of.required then
            M.add(problems, M.at(path, name), "is missing")
        else
            values[name] = of.default
        end
    end
    problems.depth = problems.depth - 1
    return values
end

-- Options by `spec`, for the part `part`; the first thing wrong is an error.
function M.read(part, spec, given)
    if type(given) ~= "table" then
        error(part .. ": expected a table of options, got " .. kind_of(given), 0)
    end
    local problems = M.problems(1)
    local values = M.collect(spec, given, "", problems)
    if #problems > 0 then
        local more = #problems > 1 and (" (and " .. (#problems - 1) .. " more)") or ""
        error(part .. ": " .. problems[1] .. more, 0)
    end
    return values
end

return M
