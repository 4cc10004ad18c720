-- What every part needs of a call: to play something, to know whether the caller is there, to end it
-- honestly.
--
-- A caller who hangs up ends no script: the methods of `session` then give false, 0, nil or "". So
-- each of these says in its result whether there is still somebody to talk to.

local M = {}

-- Results that a part gives. "taken": the call found whom or what it was for. "gone": the caller
-- hung up. The others say why it came to nothing.
M.TAKEN, M.GONE = "taken", "gone"

-- Answers, where nobody has yet. False when the caller is gone.
function M.answer(session)
    if session:answered() then return true end
    session:answer()
    return session:ready()
end

-- Plays a prompt (options.prompt). False when the caller is gone. A sound that cannot be played is
-- logged and passed over: a missing file must not cost a call.
function M.play(session, prompt)
    if prompt == nil then return session:ready() end
    if type(prompt) == "string" then
        if session:streamFile(prompt) ~= 1 and session:ready() then
            fsx.log("warning", "parts: cannot be played: " .. prompt)
        end
    elseif prompt.phrase then
        session:sayPhrase(prompt.phrase, prompt.data, prompt.language or "")
    elseif prompt.say then
        session:say(prompt.say, prompt.module, prompt.type, prompt.method)
    elseif prompt.speak then
        session:set_tts_params(prompt.engine, prompt.voice)
        session:speak(prompt.speak)
    end
    return session:ready()
end

-- Digits that the caller presses while or after `sound` plays, and how that ended: "digits",
-- "timeout", "gone". With `ended`, a terminator pressed alone is told from silence: the third result
-- is that key. A prompt that cannot be played is replaced by silence, so that its callers still have
-- their time to press something.
function M.digits(session, max, sound, timeout_ms, terminators, digit_timeout_ms)
    session:setVariable("read_terminator_used", "")
    local function ask(prompt)
        return session:read(1, max, prompt, timeout_ms, terminators, digit_timeout_ms)
    end
    local digits = ask(sound or "silence_stream://10")
    if not session:ready() then return "", M.GONE end
    if digits ~= "" then return digits, "digits" end
    local key = session:getVariable("read_terminator_used")
    if key and key ~= "" then return "", "digits", key end
    if sound and not session:getVariable("read_result") then
        fsx.log("warning", "parts: cannot be played: " .. sound)
        digits = ask("silence_stream://10")
        if not session:ready() then return "", M.GONE end
        if digits ~= "" then return digits, "digits" end
    end
    return "", "timeout"
end

-- Causes that say to the caller's side what became of the call.
local CAUSES = {
    busy = "USER_BUSY",
    no_answer = "NO_ANSWER",
    rejected = "CALL_REJECTED",
    unreachable = "SUBSCRIBER_ABSENT",
    failed = "NORMAL_TEMPORARY_FAILURE",
    unavailable = "NORMAL_TEMPORARY_FAILURE",
    full = "NORMAL_CIRCUIT_CONGESTION",
    loop = "EXCHANGE_ROUTING_ERROR",
}

-- Hangs up as `result` deserves: a cause of the switch in capitals, or a part's result.
function M.hangup(session, result)
    if session:ready() then
        local cause = CAUSES[result]
        if not cause then
            cause = tostring(result):find("^[A-Z_]+$") and result or "NORMAL_CLEARING"
        end
        session:hangup(cause)
    end
    return M.GONE
end

-- Whole seconds, rounded up: the switch counts no less.
function M.seconds(ms)
    return math.max(1, math.ceil(ms / 1000))
end

-- Whether the switch has `module`. True where it will not say: an application that is missing then
-- ends the call, as it would from the dialplan.
function M.has_module(module)
    local ok, said = pcall(function()
        return freeswitch.API():execute("module_exists", module)
    end)
    return not ok or not tostring(said):find("^false")
end

-- The domain of the organisation on this switch: the call's `domain_name` as it came, else what the
-- operator calls it.
function M.domain()
    return fsx.domain()
end

return M
