function menu(session)
    session:answer()
    session:setVariable("department", argv[1])
    local digits = session:playAndGetDigits(1, 2, 1, 8000, "#", "silence_stream://200", "", "\\d+")
    session:setVariable("chosen", digits)
    session:hangup(digits == "42" and "USER_BUSY" or "NO_USER_RESPONSE")
end
