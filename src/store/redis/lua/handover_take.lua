-- KEYS: hand-overs, their ends. ARGV: digest. Gone after the first look.
local sealed = redis.call('HGET', KEYS[1], ARGV[1])
local ends = redis.call('ZSCORE', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if not sealed or not ends then return false end
return { ends, sealed }
