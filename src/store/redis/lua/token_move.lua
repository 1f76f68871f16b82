-- KEYS: the old token, the new one (on one node). ARGV: the old signature, when it ends ('' for never), then fields and
-- values; no signature moves it as it is. Answers 1 when it moved.
local mac = redis.call('HGET', KEYS[1], 'mac') or ''
if redis.call('EXISTS', KEYS[1]) == 0 or mac ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
if mac == '' then
    redis.call('RENAME', KEYS[1], KEYS[2])
    return 1
end
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
if ARGV[2] ~= '' then redis.call('PEXPIREAT', KEYS[2], ARGV[2]) end
redis.call('DEL', KEYS[1])
return 1
