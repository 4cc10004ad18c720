-- What tests of a policy are written with. Runs in the tests' own machine; nothing of it is there in a
-- live call.
local play, note, info = __play, __note, debug.info

local function show(value, depth)
    depth = depth or 0
    if type(value) == 'string' then
        return string.format('%q', value)
    elseif type(value) ~= 'table' then
        return tostring(value)
    elseif depth > 3 then
        return '{...}'
    end
    local parts, n = {}, #value
    for i = 1, n do
        parts[i] = show(value[i], depth + 1)
    end
    local keys = {}
    for key in pairs(value) do
        if not (type(key) == 'number' and key >= 1 and key <= n and key % 1 == 0) then
            keys[#keys + 1] = key
        end
    end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, key in ipairs(keys) do
        parts[#parts + 1] = tostring(key) .. ' = ' .. show(value[key], depth + 1)
    end
    return '{' .. table.concat(parts, ', ') .. '}'
end

local function same(a, b)
    if type(a) ~= 'table' or type(b) ~= 'table' then
        return a == b
    end
    for key, value in pairs(a) do
        if not same(value, b[key]) then return false end
    end
    for key in pairs(b) do
        if a[key] == nil then return false end
    end
    return true
end

-- The line of the test that called: the first one outside this file.
local function fail(text)
    for level = 2, 12 do
        local source, line = info(level, 'sl')
        if source == nil then break end
        if source ~= 'tests' and source ~= '=tests' and line and line > 0 then
            error(string.format('%s:%d: %s', (string.gsub(source, '^@', '')), line, text), 0)
        end
    end
    error(text, 0)
end

-- A call that was played ---------------------------------------------------------------------------

local Call = {}
Call.__index = Call

local function line_of(step)
    if step.data ~= nil and step.data ~= '' then return step.what .. ' ' .. step.data end
    return step.what
end

local function of_kind(call, kind)
    local found = {}
    for _, step in ipairs(call.steps) do
        if step.kind == kind then found[#found + 1] = line_of(step) end
    end
    return found
end

-- Applications that the switch ran, in order: "answer", "playback welcome.wav".
function Call:apps() return of_kind(self, 'app') end

-- Log lines: "warning no agent answered".
function Call:logs()
    local found = {}
    for _, step in ipairs(self.steps) do
        if step.kind == 'log' then found[#found + 1] = step.what .. ' ' .. (step.data or '') end
    end
    return found
end

-- What the Core API was asked: "GET /v1/agents?busy=no".
function Call:asked() return of_kind(self, 'core') end

-- Steps of one kind, whole.
function Call:steps_of(kind)
    local found = {}
    for _, step in ipairs(self.steps) do
        if step.kind == kind then found[#found + 1] = step end
    end
    return found
end

local function call(scene)
    if type(scene) ~= 'table' then fail('call: expected a table that describes the call') end
    local ok, played = pcall(play, scene)
    if not ok then fail('call: ' .. tostring(played):gsub('^runtime error: ', '')) end
    return setmetatable(played, Call)
end

-- expect -------------------------------------------------------------------------------------------

local Expect = {}
Expect.__index = Expect

local function check(self, holds, text, expected)
    if self.negated then holds = not holds end
    if not holds then
        local word = self.negated and 'expected not ' or 'expected '
        fail(word .. text .. ' ' .. show(expected) .. ', got ' .. show(self.value))
    end
    return self
end

function Expect:to_be(expected) return check(self, self.value == expected, 'to be', expected) end

function Expect:to_equal(expected) return check(self, same(self.value, expected), 'to equal', expected) end

function Expect:to_be_nil() return check(self, self.value == nil, 'to be', nil) end

function Expect:to_be_true() return check(self, self.value == true, 'to be', true) end

function Expect:to_be_false() return check(self, self.value == false, 'to be', false) end

function Expect:to_match(pattern)
    local holds = type(self.value) == 'string' and string.find(self.value, pattern) ~= nil
    return check(self, holds, 'to match', pattern)
end

-- A list holds a value, or a text holds a text.
function Expect:to_contain(wanted)
    local holds = false
    if type(self.value) == 'string' then
        holds = string.find(self.value, tostring(wanted), 1, true) ~= nil
    elseif type(self.value) == 'table' then
        for _, value in pairs(self.value) do
            if same(value, wanted) then holds = true end
        end
    end
    return check(self, holds, 'to contain', wanted)
end

-- The function fails, with a message that holds the text.
function Expect:to_fail(text)
    if type(self.value) ~= 'function' then fail('to_fail: expected a function') end
    local ok, why = pcall(self.value)
    why = tostring(why)
    if ok then fail('expected the function to fail') end
    if text ~= nil and not string.find(why, text, 1, true) then
        fail('expected a failure with ' .. show(text) .. ', got ' .. show(why))
    end
    return self
end

-- Of a played call: these applications ran in this order, whatever ran between them. An entry is the
-- application, with or without the beginning of its data.
function Expect:to_have_run(...)
    local wanted = { ... }
    if #wanted == 1 and type(wanted[1]) == 'table' then wanted = wanted[1] end
    local ran, at = self.value:apps(), 1
    for _, line in ipairs(ran) do
        if wanted[at] ~= nil and (line == wanted[at] or string.sub(line, 1, #wanted[at] + 1) == wanted[at] .. ' '
            or (string.find(wanted[at], ' ', 1, true) and string.sub(line, 1, #wanted[at]) == wanted[at])) then
            at = at + 1
        end
    end
    local holds = at > #wanted
    if self.negated then holds = not holds end
    if not holds then
        local word = self.negated and 'expected not to have run ' or 'expected to have run '
        fail(word .. show(wanted) .. ', ran ' .. show(ran)
            .. (self.value.failure and (': ' .. self.value.failure) or ''))
    end
    return self
end

-- Of a played call: it was hung up with this cause.
function Expect:to_end_with(cause)
    local got = self.value.hangup_cause
    local holds = got == cause
    if self.negated then holds = not holds end
    if not holds then
        fail('expected the call ' .. (self.negated and 'not ' or '') .. 'to end with ' .. show(cause)
            .. ', got ' .. show(got or 'a call that goes on')
            .. (self.value.failure and (': ' .. self.value.failure) or ''))
    end
    return self
end

local function expect(value)
    local self = setmetatable({ value = value }, Expect)
    self.never = setmetatable({ value = value, negated = true }, Expect)
    return self
end

-- describe and it ------------------------------------------------------------------------------------

local path, befores = {}, {}

local function describe(name, body)
    path[#path + 1] = tostring(name)
    befores[#path] = {}
    body()
    befores[#path] = nil
    path[#path] = nil
end

local function before_each(body)
    local here = befores[#path]
    if here == nil then fail('before_each: write it inside describe') end
    here[#here + 1] = body
end

local function it(name, body)
    local names = {}
    for n, part in ipairs(path) do names[n] = part end
    names[#names + 1] = tostring(name)
    local whole = table.concat(names, ' / ')
    if not note(whole, false) then return end
    local ok, why = pcall(function()
        for level = 1, #path do
            for _, before in ipairs(befores[level]) do before() end
        end
        body()
    end)
    if ok then note(whole) else note(whole, why == nil and 'failed' or why) end
end

return {
    describe = describe,
    it = it,
    before_each = before_each,
    expect = expect,
    call = call,
    show = show,
}
