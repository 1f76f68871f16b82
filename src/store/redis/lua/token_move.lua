-- KEYS: the old token, the new one (on one node). ARGV: the old signature ('' for none), how many fields are signed, their
-- names, then fields and values. Answers 1 when it moved. What other programs wrote beside, and the time to live, stay.
local mac = redis.call('HGET', KEYS[1], 'mac') or ''
if redis.call('EXISTS', KEYS[1]) == 0 or mac ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
local names = tonumber(ARGV[2])
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('HDEL', KEYS[2], unpack(ARGV, 3, 2 + names))
redis.call('HSET', KEYS[2], unpack(ARGV, 3 + names))
return 1
