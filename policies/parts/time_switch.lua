-- A time switch: gives a call to one target when open and to another when not.
--
-- Open is what fsx.time.open says of the schedule: hours of the week in a time zone, holidays, days
-- with hours of their own. A flag that somebody sets by hand comes before all of it.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"

local M = {}

local FORCED = { open = true, closed = true }

-- Left to fsx.time, which knows what a schedule is; asked once so that a wrong one is met before
-- the call is.
local schedule = options.reader(nil, function(value, path, problems)
    if type(value) ~= "table" then
        return options.expected(problems, path, "a schedule", value)
    end
    local ok, why = pcall(fsx.time.open, value, 0)
    if not ok then
        local text = tostring(why):match("^[^\n]*"):gsub("^.-fsx%.time%.open: ", "")
        return options.add(problems, path, (text:gsub("^schedule[.:] ?", "")))
    end
    return value
end)

local SPEC = {
    -- As for fsx.time.open: {zone=, hours=, holidays=, special=}.
    schedule = options.required(schedule),
    -- What takes the call. Without one the result is given to the script.
    open = options.target(),
    closed = options.target(),
    -- On a holiday; `closed` without it.
    holiday = options.target(),
    -- By hand: "open", "closed", the key of fsx.kv that says so, or a function() that does.
    -- Anything but those two words leaves it to the schedule.
    override = options.group({
        is = options.choice({ "open", "closed" }),
        key = options.text(nil, 200),
        variable = options.word("[%w_%-%.]", "the name of a channel variable", nil, 128),
        by = options.func(),
    }),
    -- At another time than now, in seconds since 1970.
    at = options.whole(nil, 0, 4102444800),
}

function M.check(given, path, problems)
    return options.collect(SPEC, given, path, problems)
end

local function forced(session, override)
    if not override then return nil end
    if override.is then return override.is end
    local said
    if override.by then
        said = override.by()
    elseif override.key then
        said = fsx.kv.get(override.key)
    elseif override.variable and session then
        said = session:getVariable(override.variable)
    end
    return FORCED[said or ""] and said or nil
end

-- Whether it is open, and why: "override", "hours", "special", "holiday" or "closed", with the name
-- that the schedule gives it. Needs no call.
function M.state(given, session)
    local switch = options.read("time_switch", SPEC, given)
    local by_hand = forced(session, switch.override)
    if by_hand then return by_hand == "open", "override" end
    return fsx.time.open(switch.schedule, switch.at)
end

-- "taken", "gone", or "open" or "closed" and why, where there is no target for it.
function M.run(session, given, depth)
    local switch = options.read("time_switch", SPEC, given)
    if not session:ready() then return common.GONE end
    local open, why = M.state(given, session)
    local to = open and switch.open or switch.closed
    if not open and switch.holiday and tostring(why):find("^holiday") then to = switch.holiday end
    fsx.log("info", "time switch: " .. (open and "open" or "closed") .. ", " .. tostring(why))
    if to then return target.run(session, to, depth, why) end
    return open and "open" or "closed", why
end

return M
