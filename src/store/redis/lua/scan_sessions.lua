-- KEYS: sessions by age. ARGV: ns, from, how many, needle, now. Answers how many were looked at, and which live and
-- hold the needle: in themselves, or in their user's e-mail of now.
local ns, from, count, needle, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local ids = redis.call('ZRANGE', KEYS[1], from, from + count - 1)
local found = {}
if #ids == 0 then return { 0, found } end
local ends = redis.call('ZMSCORE', ns .. 'sessions:end', unpack(ids))
local texts = redis.call('HMGET', ns .. 'sessions:text', unpack(ids))
local owners = redis.call('HMGET', ns .. 'sessions:owner', unpack(ids))
for at in ipairs(ids) do owners[at] = owners[at] or '' end
local users = redis.call('HMGET', ns .. 'users:text', unpack(owners))
for at, id in ipairs(ids) do
    local over = tonumber(ends[at])
    if over and over > now then
        local user = users[at]
        local email = user and string.sub(user, 1, string.find(user, '\n', 1, true) - 1)
        if holds(texts[at], needle) or holds(email, needle) then found[#found + 1] = id end
    end
end
return { #ids, found }
