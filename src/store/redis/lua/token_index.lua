-- KEYS: any. ARGV: ns, digest, entry as JSON ('' takes it out), age as a score, end ('' for never), the text that is
-- searched, in lower case.
local ns, digest = ARGV[1], ARGV[2]
local old = redis.call('HGET', ns .. 'tokens:entry', digest)
if old then
    old = cjson.decode(old)
    redis.call('ZREM', ns .. 'tokens:name', member(old.name, digest))
    if old.owner then redis.call('SREM', ns .. 'tokens:of:' .. old.owner, digest) end
end
if ARGV[3] == '' then
    redis.call('HDEL', ns .. 'tokens:entry', digest)
    redis.call('HDEL', ns .. 'tokens:text', digest)
    redis.call('ZREM', ns .. 'tokens:new', digest)
    redis.call('ZREM', ns .. 'tokens:end', digest)
    return 0
end
local new = cjson.decode(ARGV[3])
redis.call('HSET', ns .. 'tokens:entry', digest, ARGV[3])
redis.call('HSET', ns .. 'tokens:text', digest, ARGV[6])
redis.call('ZADD', ns .. 'tokens:new', ARGV[4], digest)
redis.call('ZADD', ns .. 'tokens:name', 0, member(new.name, digest))
if new.owner then redis.call('SADD', ns .. 'tokens:of:' .. new.owner, digest) end
redis.call('ZADD', ns .. 'tokens:end', ARGV[5] == '' and '+inf' or ARGV[5], digest)
return 1
