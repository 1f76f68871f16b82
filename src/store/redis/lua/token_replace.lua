-- KEYS: the old token, and the new one where it is on the same node. ARGV: the old one's signature ('' for none), when it
-- ends then ('' for at once), how many fields are signed, their names, how many fields and values it has then, these;
-- then when the new one ends ('' for never), and its fields and values.
-- Answers 1 when it is replaced, 0 when there is none, 2 when it was before, 3 when it is not what was read.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HEXISTS', KEYS[1], 'replaced_at') == 1 then return 2 end
if (redis.call('HGET', KEYS[1], 'mac') or '') ~= ARGV[1] then return 3 end
local names = tonumber(ARGV[3])
local pairs_at = 5 + names
local new_at = pairs_at + tonumber(ARGV[4 + names])
if ARGV[2] == '' then
    redis.call('DEL', KEYS[1])
else
    redis.call('HDEL', KEYS[1], unpack(ARGV, 4, 3 + names))
    redis.call('HSET', KEYS[1], unpack(ARGV, pairs_at, new_at - 1))
    redis.call('PEXPIREAT', KEYS[1], ARGV[2])
end
if KEYS[2] then
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[2], unpack(ARGV, new_at + 1))
    if ARGV[new_at] ~= '' then redis.call('PEXPIREAT', KEYS[2], ARGV[new_at]) end
end
return 1
