-- What several scripts share; it stands before them.

-- A member of an index by text, which sorts as (text, id) does, those without a text last. A NUL in the text is
-- written NUL 255: no id begins with 255, as that is in no UTF-8.
local function member(text, id)
    if not text then return '2' .. id end
    return '1' .. (string.gsub(text, '%z', '\0\255')) .. '\0' .. id
end

local function id_of(m)
    if string.sub(m, 1, 1) == '2' then return string.sub(m, 2) end
    local from = 1
    while true do
        local nul = string.find(m, '\0', from, true)
        if not nul then return m end
        if string.byte(m, nul + 1) ~= 255 then return string.sub(m, nul + 1) end
        from = nul + 2
    end
end

-- Two texts in one name.
local function pair(a, b) return #a .. ':' .. a .. ':' .. b end

local function tell(ns, what, id) redis.call('PUBLISH', ns .. 'changes', what .. ':' .. id) end

-- Fields of a hash; none where something else stands there.
local function fields(key, ...)
    local found = redis.pcall('HMGET', key, ...)
    if found.err then return {} end
    return found
end

-- 1 when it was there.
local function end_session(ns, id)
    local key = ns .. 'session:' .. id
    local s = fields(key, 'user_id', 'provider', 'subject', 'sid')
    if s[1] then redis.call('SREM', ns .. 'sessions:user:' .. s[1], id) end
    if s[2] and s[3] then redis.call('SREM', ns .. 'sessions:subject:' .. pair(s[2], s[3]), id) end
    if s[2] and s[4] then redis.call('SREM', ns .. 'sessions:sid:' .. pair(s[2], s[4]), id) end
    local listed = redis.call('ZREM', ns .. 'sessions:new', id)
    redis.call('ZREM', ns .. 'sessions:end', id)
    redis.call('HDEL', ns .. 'sessions:owner', id)
    redis.call('HDEL', ns .. 'sessions:text', id)
    local there = redis.call('DEL', key)
    if there + listed > 0 then tell(ns, 'session', id) end
    return there
end

-- Whether a text holds a needle, both in lower case (ASCII letters).
local function holds(text, needle)
    return text and string.find(text, needle, 1, true) ~= nil
end
