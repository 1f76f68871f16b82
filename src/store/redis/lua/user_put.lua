-- KEYS: the user. ARGV: ns, id, the signature to replace ('' for none), whether to tell, whether to end the sessions,
-- last seen, then fields and values. Answers last seen, or nothing when somebody else was faster.
local key = KEYS[1]
local ns, id, expected, say, ends, seen = unpack(ARGV, 1, 6)
local old = {}
if expected == '' then
    if redis.call('EXISTS', key) == 1 then return false end
else
    old = redis.call('HMGET', key, 'mac', 'email', 'last_seen')
    if old[1] ~= expected then return false end
    local was = tonumber(old[3])
    if was and was > tonumber(seen) then seen = old[3] end
end
redis.call('DEL', key)
redis.call('HSET', key, 'last_seen', seen, unpack(ARGV, 7))
local email = redis.call('HGET', key, 'email')
if expected ~= '' and old[2] ~= email then redis.call('ZREM', ns .. 'users:email', member(old[2], id)) end
redis.call('ZADD', ns .. 'users:email', 0, member(email, id))
redis.call('ZADD', ns .. 'users:seen', '-' .. seen, id)
local name = redis.call('HGET', key, 'name')
redis.call('HSET', ns .. 'users:text', id, string.lower((email or '') .. '\n' .. (name or '') .. '\n' .. id))
if say == '1' then tell(ns, 'user', id) end
if ends == '1' then
    for _, session in ipairs(redis.call('SMEMBERS', ns .. 'sessions:user:' .. id)) do end_session(ns, session) end
end
return seen
