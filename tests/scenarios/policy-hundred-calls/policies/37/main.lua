local switchboard = require "fsx.parts.switchboard"

function gone(session, what, mark)
    fsx.log("over " .. session:hangupCause() .. " " .. mark .. " "
        .. tostring(session:getVariable("my_mark")) .. " key " .. tostring(session:getVariable("my_key")))
end

local function keep(key, target)
    return function(session)
        session:setVariable("my_key", key)
        return require("fsx.parts.target").run(session, target)
    end
end

function line(session)
    local mark = session:get_uuid()
    session:setVariable("my_mark", mark)
    session:setHangupHook("gone", mark)
    switchboard.run(session, {
        greeting = "tone_stream://%(100,0,800)",
        choices = {
            ["1"] = keep("1", { user = "1001" }),
            ["2"] = keep("2", { number = "+447700900123" }),
        },
    })
end
