-- Hands a call to a queue: mod_callcenter's, or mod_fifo's.
--
-- mod_callcenter waits as long as the queue's own settings say (max-wait-time and the like);
-- mod_fifo as long as `timeout_ms`. A caller who is still there afterwards has waited in vain.
--
-- A call that an agent takes is the queue's: both modules have it wait for the agent in another state
-- of the switch (CS_HIBERNATE), which it enters when the script lets go of it. So the conversation begins
-- after the script, and a script that hung up here would hang up on both.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"

local M = {}

local SPEC = {
    queue = options.required(options.name()),
    domain = options.domain(),
    kind = options.choice({ "callcenter", "fifo" }, "callcenter"),
    announce = options.prompt(),
    -- What the caller hears while waiting, in place of the queue's own.
    music = options.sound(),
    -- Key that leaves the queue.
    exit_key = options.keys(nil, 1),
    -- fifo: longest wait.
    timeout_ms = options.ms(300000, 1000, 7200000),
    -- callcenter: added to the caller's score, as if so many seconds had been waited already.
    score = options.whole(nil, 0, 100000),
    -- fifo: 1 (first) to 10.
    priority = options.whole(nil, 1, 10),
    otherwise = options.target(),
}

function M.check(given, path, problems)
    local values = options.collect(SPEC, given, path, problems)
    for name, kind in pairs({ timeout_ms = "fifo", priority = "fifo", score = "callcenter" }) do
        if given[name] ~= nil and values.kind and values.kind ~= kind then
            options.add(problems, options.at(path, name), "is for kind " .. kind)
        end
    end
    return values
end

local function callcenter(session, queue, name)
    session:setVariable("cc_moh_override", queue.music or "")
    session:setVariable("cc_exit_keys", queue.exit_key or "")
    session:setVariable("cc_base_score", queue.score or "")
    for _, stale in ipairs({ "cc_cause", "cc_cancel_reason", "cc_exit_key" }) do
        session:setVariable(stale, "")
    end
    session:execute("callcenter", name)
    local ready = session:ready()
    if session:getVariable("cc_cause") == "answered" then return common.TAKEN end
    if not ready then return common.GONE end
    local reason = session:getVariable("cc_cancel_reason")
    if reason == "EXIT_WITH_KEY" then return "exit", session:getVariable("cc_exit_key") end
    if reason == "TIMEOUT" then return "timeout" end
    if reason == "NO_AGENT_TIMEOUT" then return "no_agents" end
    -- The queue is not known, or full.
    return "unavailable", reason
end

local function fifo(session, queue, name)
    session:setVariable("fifo_orbit_exten",
        "_continue_:" .. string.format("%d", common.seconds(queue.timeout_ms)))
    session:setVariable("fifo_caller_exit_key", queue.exit_key or "")
    session:setVariable("fifo_priority", queue.priority or "")
    session:setVariable("fifo_status", "")
    session:execute("fifo", name .. " in undef " .. (queue.music or "undef"))
    local ready = session:ready()
    local status = session:getVariable("fifo_status")
    if status == "TALKING" or status == "DONE" then return common.TAKEN end
    if session:getVariable("fifo_serviced_uuid") then
        -- Somebody takes the call; mod_fifo says WAITING until the two are connected.
        return common.TAKEN
    end
    if not ready then return common.GONE end
    if status == "TIMEOUT" then return "timeout" end
    if status == "ABORTED" then return "exit", queue.exit_key end
    return "unavailable", status
end

-- "taken", "gone", or "timeout", "no_agents", "exit" (with the key), "unavailable" where there is no
-- `otherwise`.
function M.run(session, given, depth)
    local problems = options.problems(1)
    local queue = options.read("queue", SPEC, given)
    M.check(given, "", problems)
    if #problems > 0 then error("queue: " .. problems[1], 0) end
    if not session:ready() then return common.GONE end
    local result, more
    if not common.has_module("mod_" .. queue.kind) then
        fsx.log("warning", "queue: the switch has no mod_" .. queue.kind)
        result = "unavailable"
    else
        if not common.answer(session) then return common.GONE end
        if queue.announce and not common.play(session, queue.announce) then return common.GONE end
        local name = queue.queue .. "@" .. (queue.domain or common.domain())
        local run = queue.kind == "fifo" and fifo or callcenter
        result, more = run(session, queue, name)
    end
    if result == common.TAKEN then
        return result
    end
    if result ~= common.GONE and queue.otherwise then
        return target.run(session, queue.otherwise, depth, result)
    end
    return result, more
end

return M
