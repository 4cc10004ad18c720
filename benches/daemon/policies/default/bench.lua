-- One look-up in the routing data, and what comes of it.
function decide(call)
    local answer = fsx.route { number = call.number }
    if not answer then return { reject = 3, reason = "no route" } end
    return answer
end

-- The trivial task: one variable read, one variable set.
function note(session)
    session:setVariable("seen", session:getVariable("rmUserID"))
end

-- A call that is talked with, and whose switch is busy with what it was told.
function hold(session)
    session:streamFile("silence_stream://-1")
end
