-- KEYS: the token. ARGV: when it was used, seconds; how much later than what stands there that must be to be written.
local was = tonumber(redis.call('HGET', KEYS[1], 'last_used_at') or nil)
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if was and tonumber(ARGV[1]) < was + tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], 'last_used_at', ARGV[1])
return 1
