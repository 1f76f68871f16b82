-- KEYS: the token. ARGV: when it ends ('' for never, +N for in N milliseconds), then fields and values.
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
if string.sub(ARGV[1], 1, 1) == '+' then
    redis.call('PEXPIRE', KEYS[1], string.sub(ARGV[1], 2))
elseif ARGV[1] ~= '' then
    redis.call('PEXPIREAT', KEYS[1], ARGV[1])
end
return 1
