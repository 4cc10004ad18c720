-- Scripts without an end, each in its own live call.

function spin(session)
    session:answer()
    session:sleep(50)
    while true do end
end

function memory(session)
    session:answer()
    session:sleep(50)
    local kept = {}
    while true do kept[#kept + 1] = string.rep("x", 1e6) .. #kept end
end

function coroutines(session)
    session:answer()
    session:sleep(50)
    local kept = {}
    while true do
        kept[#kept + 1] = coroutine.create(function() while true do coroutine.yield() end end)
        coroutine.resume(kept[#kept])
    end
end

function pattern(session)
    session:answer()
    session:sleep(50)
    local text = string.rep("a", 30000)
    while true do text:find("(a*)(a*)(a*)(a*)(a*)b") end
end

function poison(session)
    session:answer()
    session:sleep(50)
    local meta = getmetatable("")
    pcall(function() meta.__index = function() return "poisoned" end end)
    pcall(function() string.upper = function() return "poisoned" end end)
    pcall(function() rawset(string, "upper", error) end)
    pcall(function() _G.fsx = nil end)
    pcall(function() setmetatable(_G, { __index = function() while true do end end }) end)
    while true do pcall(error, "on and on") end
end
