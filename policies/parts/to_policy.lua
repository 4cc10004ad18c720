-- Hands a call over to another policy of the same bundle: a task of its manifest.
--
-- Two policies that hand a call to each other would do so for ever while the caller hears nothing,
-- so the way so far is remembered for as long as the call's policy runs.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"

local M = {}

-- Most handovers of one call, and most to the same policy: a menu may come back a few times.
local MOST, MOST_SAME = 16, 3

local SPEC = {
    policy = options.required(options.text(nil, 100)),
    -- What the other finds in argv.
    arguments = options.list(options.text(nil, 200), 0, 20),
    otherwise = options.target(),
}

function M.check(given, path, problems)
    return options.collect(SPEC, given, path, problems)
end

-- How often each policy has been run, and all of them: modules live as long as one run.
local times, all = {}, 0

-- What the other policy came to: "taken" unless it says another result; "gone"; "unknown" where
-- there is no such policy; "loop" after too many handovers, which ends the call.
function M.run(session, given, depth)
    local to = options.read("to_policy", SPEC, given)
    if not session:ready() then return common.GONE end
    local run, why = fsx.task(to.policy)
    if not run then
        fsx.log("error", "to_policy: " .. tostring(why))
        if to.otherwise then return target.run(session, to.otherwise, depth, "unknown") end
        return "unknown", why
    end
    times[to.policy], all = (times[to.policy] or 0) + 1, all + 1
    if all > MOST or times[to.policy] > MOST_SAME then
        fsx.log("error", "to_policy: " .. to.policy .. " has been run too often for one call")
        common.hangup(session, "loop")
        return "loop"
    end
    if to.arguments then
        for n = 1, math.max(#argv, #to.arguments) do argv[n] = to.arguments[n] end
    end
    local result, more = run(session, call)
    if not session:ready() then return common.GONE end
    if type(result) ~= "string" or result == "keep" then return common.TAKEN, result end
    return result, more
end

return M
