function note(session)
    session:setVariable("first", "1")
    session:setVariable("noted", "here")
end

function broken()
    error("boom")
end

function refuse()
    return { reject = 17, reason = "busy" }
end

function talk(session)
    session:setVariable("first", "one")
    session:answer()
    session:streamFile("silence_stream://300")
    session:setVariable("noted", session:getVariable("first") .. " and two")
    fsx.log("info", "talked, answered " .. tostring(session:answered()))
end

function long(session)
    session:setVariable("noted", "long")
    session:answer()
    session:streamFile("silence_stream://15000")
end
