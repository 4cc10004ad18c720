local hooks = 0

function gone(session, what)
  hooks = hooks + 1
  fsx.log("hook " .. hooks .. " " .. what .. " " .. session:hangupCause() .. " ready=" .. tostring(session:ready()))
end

function talk(session, call)
  session:setVariable("first", "1")
  session:setVariable("second", "two words")
  session:setVariable("continue_on_fail", "true")
  session:setVariable("hangup_after_bridge", "false")
  session:setHangupHook("gone")
  session:answer()
  fsx.log("ready " .. tostring(session:ready()) .. " answered " .. tostring(session:answered()))
  fsx.log("tone " .. session:streamFile("tone_stream://%(100,0,800)"))
  fsx.log("nothing '" .. session:read(1, 1, "silence_stream://50", 1000, "#") .. "'")
  local digits = session:playAndGetDigits(2, 2, 1, 10000, "#", "silence_stream://50", "", "\\d+")
  fsx.log("digits '" .. digits .. "' second '" .. session:getVariable("second") .. "'")
  for _, to in ipairs({ "gw3001/447700900123", "gw3002/447700900123" }) do
    session:execute("bridge", "sofia/gateway/" .. to)
    fsx.log("bridge " .. to .. " " .. tostring(session:getVariable("originate_disposition")))
    if not session:ready() then break end
  end
  fsx.log("the end, ready=" .. tostring(session:ready()))
end

function refuse(session)
  session:setHangupHook("gone")
  local api = freeswitch.API()
  fsx.log("uuid of " .. #api:executeString("create_uuid"))
  session:hangup("USER_BUSY")
end

function note(session)
  session:sleep(50)
  session:setVariable("noted", argv[1] .. " and there")
  session:setVariable("my_note", "a record of its own")
end

function after(call)
  fsx.log("after " .. call.task .. " " .. call.number .. " " .. call.ended.cause .. " noted " .. tostring(call.vars.my_note))
end

function long(session)
  session:answer()
  session:setVariable("noted", "long")
  session:streamFile("silence_stream://1500")
  session:setVariable("noted", "never")
end
