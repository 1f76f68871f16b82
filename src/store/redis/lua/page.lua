-- KEYS: an index, and perhaps when its entries end. ARGV: offset, limit, now, and perhaps how members are found from
-- the names of what ended: a hash of JSON with a `name` each.
-- Answers how many there are, and those asked for; nothing when too many ended since they were last swept.
local index = KEYS[1]
local offset, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local ranks, over = {}, {}
if KEYS[2] then
    local most = 2000
    local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3], 'LIMIT', 0, most)
    if #ended == most then return false end
    for _, id in ipairs(ended) do
        local m = id
        if KEYS[3] then
            local entry = redis.call('HGET', KEYS[3], id)
            if entry then m = member(cjson.decode(entry).name, id) end
        end
        local rank = redis.call('ZRANK', index, m)
        if rank then
            ranks[#ranks + 1] = rank
            over[rank] = true
        end
    end
    table.sort(ranks)
end
local start, behind = offset, 0
for _, rank in ipairs(ranks) do
    if rank <= start then start = start + 1 else behind = behind + 1 end
end
local found = {}
if limit > 0 then
    for at, m in ipairs(redis.call('ZRANGE', index, start, start + limit + behind - 1)) do
        if #found < limit and not over[start + at - 1] then found[#found + 1] = m end
    end
end
return { redis.call('ZCARD', index) - #ranks, found }
