-- KEYS: the session. ARGV: ns, id, user, begin, end, then fields and values.
-- Nothing is written for a user who is disabled, or unknown, by now.
local key = KEYS[1]
local ns, id, user, begins, ends = unpack(ARGV, 1, 5)
if redis.call('HGET', ns .. 'user:' .. user, 'disabled') ~= '0' then return 0 end
redis.call('DEL', key)
redis.call('HSET', key, unpack(ARGV, 6))
local s = redis.call('HMGET', key, 'provider', 'subject', 'sid')
redis.call('SADD', ns .. 'sessions:user:' .. user, id)
redis.call('SADD', ns .. 'sessions:subject:' .. pair(s[1], s[2]), id)
if s[3] then redis.call('SADD', ns .. 'sessions:sid:' .. pair(s[1], s[3]), id) end
redis.call('ZADD', ns .. 'sessions:new', '-' .. begins, id)
redis.call('ZADD', ns .. 'sessions:end', ends, id)
redis.call('HSET', ns .. 'sessions:owner', id, user)
local address = redis.call('HGET', key, 'address')
redis.call('HSET', ns .. 'sessions:text', id, string.lower(user .. '\n' .. s[1] .. '\n' .. (address or '')))
return 1
