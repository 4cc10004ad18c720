-- A script that behaves, beside those of organisation 37.
function line(session, call)
    session:answer()
    session:setVariable("my_note", call.id)
    local turns = 0
    while session:ready() do
        session:sleep(200)
        turns = turns + 1
        assert(("x"):upper() == "X" and fsx.kv.get("secret") == nil)
        assert(not session:ready() or session:getVariable("my_note") == call.id)
    end
    fsx.log("good call over after turns " .. (turns > 10 and "enough" or turns))
end
