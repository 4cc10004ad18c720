-- The call phase: a live call on the event socket, answered in one write.
--
-- What is asked of `session` is collected and sent with the answer; the switch then tries the
-- routes one after another by itself.

function route(session, call)
    local answer, why = fsx.route { number = call.number, why = true }
    if not answer then
        fsx.log("warning", why)
        return "keep"
    end
    session:setVariable("fsx_generation", answer.generation)
    return answer
end
