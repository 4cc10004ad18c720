local queue = require "fsx.parts.queue"
local voicemail = require "fsx.parts.voicemail"

local TONE = "tone_stream://%(200,0,400);loops=-1"

local function said(what, session, result, more)
    fsx.log(what .. " came to " .. tostring(result) .. " " .. tostring(more) .. " there "
        .. tostring(session:ready()))
end

-- The caller hangs up, not the script.
local function stay(session)
    while session:ready() do session:sleep(100) end
end

function fifo_taken(session)
    said("fifo_taken", session, queue.run(session, { queue = "help", kind = "fifo", music = TONE }))
end

function fifo_lonely(session)
    said("fifo_lonely", session, queue.run(session, {
        queue = "lonely", kind = "fifo", music = TONE, timeout_ms = 2000,
    }))
    stay(session)
end

function fifo_left(session)
    said("fifo_left", session, queue.run(session, {
        queue = "lonely", kind = "fifo", music = TONE, timeout_ms = 20000, exit_key = "0",
    }))
    stay(session)
end

function queue_taken(session)
    said("queue_taken", session, queue.run(session, { queue = "sales" }))
end

function queue_nobody(session)
    said("queue_nobody", session, queue.run(session, { queue = "nobody" }))
    stay(session)
end

function queue_slow(session)
    said("queue_slow", session, queue.run(session, { queue = "slow" }))
    stay(session)
end

function queue_left(session)
    said("queue_left", session, queue.run(session, { queue = "slow", exit_key = "0" }))
    stay(session)
end

function mailbox(session)
    said("mailbox", session, voicemail.run(session, {
        voicemail = "1003", skip_greeting = true, skip_instructions = true, after = "continue",
    }))
    stay(session)
end
