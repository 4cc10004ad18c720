-- FreeSWITCH's look-ups answered by a policy, with the names of mod_lua's XML handlers.

local function document(section, inside)
  XML_STRING = '<document type="freeswitch/xml"><section name="' .. section .. '">' .. inside .. "</section></document>"
end

-- One user; of any other it says nothing, so that the next source is asked.
function users()
  if params:getHeader("user") ~= "1000" then return end
  document(XML_REQUEST.section, '<domain name="127.0.0.1"><groups><group name="phones"><users><user id="1000">' ..
    '<params><param name="password" value="secret"/></params></user></users></group></groups></domain>')
end

-- What the switch asks with is there: the number that was dialled, and whose call it is.
function dialplan()
  local number = params:getHeader("Hunt-Destination-Number") or params:getHeader("Caller-Destination-Number")
  local org = params:getHeader("variable_sip_h_X-rmOrgID")
  document("dialplan", '<context name="dpOutbound"><extension name="policy"><condition>' ..
    '<action application="set" data="rmOrgID=' .. org .. '"/>' ..
    '<action application="set" data="sip_copy_custom_headers=false"/>' ..
    '<action application="log" data="NOTICE a policy says how ' .. number .. ' goes"/>' ..
    '<action application="fsx_bridge"/>' ..
    '<action application="hangup" data="${fsx_cause}"/></condition></extension></context>')
end
