-- Hands a call to a mailbox (mod_voicemail).
--
-- The application says nothing of how it went, so what can be known is asked before: whether the
-- switch has it, and whether it knows the user where it may be asked.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"

local M = {}

local SPEC = {
    voicemail = options.required(options.name()),
    domain = options.domain(),
    profile = options.name("default"),
    -- Played before the mailbox's own greeting.
    announce = options.prompt(),
    -- Which of the recorded greetings.
    greeting = options.whole(nil, 0, 9),
    skip_greeting = options.flag(false),
    skip_instructions = options.flag(false),
    -- "hangup", or "continue" to have the script go on.
    after = options.choice({ "hangup", "continue" }, "hangup"),
    -- Where the call goes when there is no such mailbox.
    otherwise = options.target(),
}

function M.check(given, path, problems)
    return options.collect(SPEC, given, path, problems)
end

local function knows(user, domain)
    local ok, said = pcall(function()
        return freeswitch.API():execute("user_exists", "id " .. user .. " " .. domain)
    end)
    return not ok or not tostring(said):find("^false")
end

-- "taken", "gone", or "unavailable" where there is no such mailbox and no `otherwise`.
function M.run(session, given, depth)
    local box = options.read("voicemail", SPEC, given)
    local domain = box.domain or common.domain()
    if not session:ready() then return common.GONE end
    if not common.has_module("mod_voicemail") or not knows(box.voicemail, domain) then
        fsx.log("warning", "voicemail: the switch has no mailbox " .. box.voicemail .. "@" .. domain)
        if box.otherwise then return target.run(session, box.otherwise, depth, "unavailable") end
        return "unavailable"
    end
    if not common.answer(session) then return common.GONE end
    if box.announce and not common.play(session, box.announce) then return common.GONE end
    session:setVariable("skip_greeting", box.skip_greeting and "true" or "")
    session:setVariable("skip_instructions", box.skip_instructions and "true" or "")
    session:setVariable("voicemail_greeting_number", box.greeting or "")
    session:execute("voicemail", box.profile .. " " .. domain .. " " .. box.voicemail)
    if session:ready() and box.after == "hangup" then
        common.hangup(session, "NORMAL_CLEARING")
    end
    return common.TAKEN
end

return M
