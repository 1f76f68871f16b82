-- KEYS: any. ARGV: ns, now, how many at once. Answers whether there may be more.
local ns, now, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local function over(index) return redis.call('ZRANGEBYSCORE', ns .. index, '-inf', now, 'LIMIT', 0, most) end
local sessions = over('sessions:end')
for _, id in ipairs(sessions) do
    redis.call('ZREM', ns .. 'sessions:end', id)
    end_session(ns, id)
end
local handovers = over('handovers:end')
for _, digest in ipairs(handovers) do
    redis.call('ZREM', ns .. 'handovers:end', digest)
    redis.call('HDEL', ns .. 'handovers', digest)
end
local once = over('once')
for _, name in ipairs(once) do redis.call('ZREM', ns .. 'once', name) end
return math.max(#sessions, #handovers, #once) >= most and 1 or 0
