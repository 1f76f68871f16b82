-- KEYS: any. ARGV: ns, then names of sessions and when they were seen.
for at = 2, #ARGV, 2 do
    local key = ARGV[1] .. 'session:' .. ARGV[at]
    local was = tonumber(fields(key, 'last_seen_at')[1])
    if was and was < tonumber(ARGV[at + 1]) then redis.call('HSET', key, 'last_seen_at', ARGV[at + 1]) end
end
return 1
