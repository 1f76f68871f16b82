-- KEYS: the lines. ARGV: ns, how many are kept of each of three shares, then for each line its share and itself.
-- A line's number is its score, and stands before it: no two are the same.
local ns = ARGV[1]
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local n = tonumber(last) or 0
local function share(number) return ns .. 'activity:share:' .. number end
for at = 5, #ARGV, 2 do
    n = n + 1
    local number = string.format('%.0f', n)
    redis.call('ZADD', KEYS[1], number, number .. ' ' .. ARGV[at + 1])
    redis.call('RPUSH', share(ARGV[at]), number)
end
for number = 0, 2 do
    local over = redis.call('LLEN', share(number)) - tonumber(ARGV[2 + number])
    if over > 0 then
        for _, old in ipairs(redis.call('LRANGE', share(number), 0, over - 1)) do
            redis.call('ZREMRANGEBYSCORE', KEYS[1], old, old)
        end
        redis.call('LTRIM', share(number), over, -1)
    end
end
return 1
