-- Records a call, once whoever has to be asked has agreed.
--
-- Recordings lie in the switch's recordings folder, each organisation's in its own. What is made of
-- them is the archive's business.

local options = require "fsx.parts.options"
local common = require "fsx.parts.call"
local target = require "fsx.parts.target"

local M = {}

local CONSENT = {
    -- "announce": the caller is told. "press": nothing is recorded unless `key` is pressed.
    -- "refuse": the recording is made unless `key` is pressed.
    mode = options.choice({ "announce", "press", "refuse" }, "announce"),
    prompt = options.required(options.sound()),
    key = options.keys("1", 1),
    tries = options.whole(2, 1, 5),
    timeout_ms = options.ms(5000, 1000, 60000),
}

local SPEC = {
    consent = options.group(CONSENT),
    -- File name without its ending; the call's id without it.
    name = options.word("[%w._%-]", "letters, digits, dots, hyphens and underscores", nil, 100),
    format = options.choice({ "wav", "mp3", "ogg" }, "wav"),
    stereo = options.flag(true),
    -- Longest recording, and the shortest that is kept.
    max_ms = options.ms(nil, 1000, 86400000),
    min_ms = options.ms(nil, 1000, 3600000),
    -- Only while the caller is connected with somebody.
    bridged_only = options.flag(false),
    beep = options.flag(false),
    -- Where the call goes that may not be recorded; without it the call goes on unrecorded.
    otherwise = options.target(),
}

function M.check(given, path, problems)
    return options.collect(SPEC, given, path, problems)
end

-- Whether it may be recorded; nil when the caller is gone.
local function consented(session, consent)
    if not common.answer(session) then return nil end
    if consent.mode == "announce" then
        if not common.play(session, consent.prompt) then return nil end
        return true
    end
    for _ = 1, consent.tries do
        local key, how, ended = common.digits(session, 1, consent.prompt, consent.timeout_ms, "none", 1000)
        if how == common.GONE then return nil end
        key = ended or key
        if key == consent.key then return consent.mode == "press" end
        if key ~= "" then return consent.mode == "refuse" end
        -- Silence is no consent that was asked for, and no refusal either.
        if consent.mode == "refuse" then return true end
    end
    return false
end

-- Begins to record. "on" and the recording, for `stop`, `pause` and `resume`; "refused" where the
-- caller does not agree; "gone".
function M.start(session, given, depth)
    local record = options.read("record", SPEC, given)
    if not session:ready() then return common.GONE end
    if record.consent then
        local yes = consented(session, record.consent)
        if yes == nil then return common.GONE end
        if not yes then
            fsx.log("info", "record: the caller does not agree")
            session:setVariable("fsx_recording", "refused")
            if record.otherwise then return target.run(session, record.otherwise, depth, "refused") end
            return "refused"
        end
    end
    if record.beep and not common.play(session, "tone_stream://%(200,0,800)") then
        return common.GONE
    end
    local id = record.name or session:get_uuid()
    local path = "${recordings_dir}/" .. string.format("%d", call.org) .. "/" .. id .. "." .. record.format
    local data = path
    if record.max_ms then data = data .. " +" .. string.format("%d", common.seconds(record.max_ms)) end
    local how = {}
    if record.stereo then how[#how + 1] = "RECORD_STEREO=true" end
    if record.bridged_only then how[#how + 1] = "RECORD_BRIDGE_REQ=true" end
    if record.min_ms then
        how[#how + 1] = "RECORD_MIN_SEC=" .. string.format("%d", common.seconds(record.min_ms))
    end
    if #how > 0 then data = data .. " {" .. table.concat(how, ",") .. "}" end
    session:execute("record_session", data)
    session:setVariable("fsx_recording", "on")
    if not session:ready() then return common.GONE end
    return "on", { path = path }
end

local function does(app)
    return function(session, recording)
        if type(recording) ~= "table" or type(recording.path) ~= "string" then
            error("record: expected the recording that start gave", 0)
        end
        session:execute(app, recording.path)
        return session:ready()
    end
end

-- Ends a recording; leaves a gap in it (card numbers, say); goes on.
M.stop = does("stop_record_session")
M.pause = does("record_session_mask")
M.resume = does("record_session_unmask")

-- As a target: begins to record and gives the call back.
function M.run(session, given, depth)
    local result, more = M.start(session, given, depth)
    if result == "on" or result == "refused" then return "played", more end
    return result, more
end

return M
