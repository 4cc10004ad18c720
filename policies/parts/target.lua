-- What a call can be given to, said the same way in every part and in policy documents:
--
--   {user = "1001"}        {number = "+442079460000"}      {hunt = {members = …}}
--   {queue = "sales"}      {voicemail = "1001"}            {menu = {…}}   {time = {…}}
--   {policy = "Night"}     {document = "night.json"}       {record = {…}}
--   {play = "sound"}       {hangup = "USER_BUSY"}          "continue"
--   function(session, detail) … end
--
-- A list is tried in order until something takes the call; `otherwise` on one of them is what comes
-- after it alone.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"

local M = {}

-- Which part does what, and whether its own options lie in the target itself or under its name.
local PARTS = {
    user = { part = "hunt", of = "user" },
    number = { part = "hunt", of = "number" },
    hunt = { part = "hunt", nested = true },
    queue = { part = "queue" },
    voicemail = { part = "voicemail" },
    menu = { part = "switchboard", nested = true },
    time = { part = "time_switch", nested = true },
    record = { part = "record", nested = true },
    policy = { part = "to_policy" },
    document = { part = "document" },
}

-- Options of one member that a user or number target may carry itself.
local MEMBER = { "domain", "confirm", "caller_id", "ring_timeout_ms" }

local HANGUP = options.word("[A-Z_]", "a cause as the switch names it, such as USER_BUSY", nil, 64)

local function part_of(target)
    local found
    for name in pairs(PARTS) do
        if target[name] ~= nil then
            if found then return nil, found, name end
            found = name
        end
    end
    return found
end

-- The part's own options in `target`.
local function own(target, name)
    local kind = PARTS[name]
    if kind.nested then return target[name] end
    local given = {}
    for key, value in pairs(target) do
        if key ~= "otherwise" then given[key] = value end
    end
    if kind.of then
        -- A hunt for one.
        local member = { [kind.of] = given[kind.of] }
        given[kind.of] = nil
        for _, key in ipairs(MEMBER) do
            if given[key] ~= nil then member[key], given[key] = given[key], nil end
        end
        given.members = { member }
    end
    return given
end

local function only(target, path, problems, names)
    for key in pairs(target) do
        if not names[key] then
            options.unknown(problems, options.at(path, key), "is not known here")
        end
    end
end

-- Whether `target` is one. What is wrong goes to `problems`.
function M.check(target, path, problems)
    local before = #problems
    if type(target) == "function" or target == "continue" then return true end
    if type(target) ~= "table" then
        options.expected(problems, path, "a target such as {user = \"1001\"}", target)
        return false
    end
    if problems.depth >= options.MAX_DEPTH then
        options.add(problems, path, "is nested more than " .. options.MAX_DEPTH .. " deep")
        return false
    end
    problems.depth = problems.depth + 1
    if #target > 0 then
        options.list({ check = function(value, at, list) return M.check(value, at, list) end }, 1, 20)
            .check(target, path, problems)
    elseif target.play ~= nil then
        options.prompt().check(target.play, options.at(path, "play"), problems)
        only(target, path, problems, { play = true, otherwise = true })
    elseif target.hangup ~= nil then
        HANGUP.check(target.hangup, options.at(path, "hangup"), problems)
        only(target, path, problems, { hangup = true })
    else
        local name, one, two = part_of(target)
        if name then
            local kind = PARTS[name]
            local given = own(target, name)
            local at = kind.nested and options.at(path, name) or path
            if type(given) ~= "table" then
                options.expected(problems, at, "a table of options", given)
            else
                require("fsx.parts." .. kind.part).check(given, at, problems)
            end
            if kind.nested then
                only(target, path, problems, { [name] = true, otherwise = true })
            end
        elseif one then
            options.add(problems, path, "is both " .. one .. " and " .. two)
        else
            local names = { "hangup", "play" }
            for known in pairs(PARTS) do names[#names + 1] = known end
            table.sort(names)
            options.add(problems, path,
                "says nothing that a call can be given to; expected one of "
                .. table.concat(names, ", "))
        end
    end
    if target.otherwise ~= nil then
        M.check(target.otherwise, options.at(path, "otherwise"), problems)
    end
    problems.depth = problems.depth - 1
    return #problems == before
end

local run_one

-- Gives the call to `target`, which has been checked. What became of it, and more about it.
-- "continue": whoever called goes on. `depth` is how deep parts have called one another.
function M.run(session, target, depth, detail)
    depth = (depth or 0) + 1
    if depth > options.MAX_DEPTH then
        fsx.log("error", "parts: targets lead to one another without end")
        return common.hangup(session, "loop")
    end
    if type(target) ~= "table" or #target == 0 then
        return run_one(session, target, depth, detail)
    end
    local result, more = "continue", nil
    for _, each in ipairs(target) do
        if not session:ready() then return common.GONE end
        result, more = run_one(session, each, depth, detail)
        if result == common.TAKEN or result == common.GONE then break end
    end
    return result, more
end

function run_one(session, target, depth, detail)
    if not session:ready() then return common.GONE end
    if target == "continue" then return "continue" end
    if type(target) == "function" then
        local result, more = target(session, detail)
        if result ~= common.TAKEN and not session:ready() then return common.GONE end
        if type(result) ~= "string" then result = result == false and "continue" or common.TAKEN end
        return result, more
    end
    local result, more
    if target.hangup then
        return common.hangup(session, target.hangup)
    elseif target.play then
        local prompt = options.prompt().check(target.play, "play", options.problems())
        if not common.answer(session) or not common.play(session, prompt) then
            return common.GONE
        end
        result = "played"
    else
        local name = part_of(target)
        local part = require("fsx.parts." .. PARTS[name].part)
        result, more = part.run(session, own(target, name), depth)
    end
    if target.otherwise ~= nil and result ~= common.TAKEN and result ~= common.GONE then
        return M.run(session, target.otherwise, depth, more)
    end
    return result, more
end

return M
