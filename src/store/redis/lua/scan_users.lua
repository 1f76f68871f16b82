-- KEYS: an index of users. ARGV: ns, from, how many, needle, whether members are by text. Answers how many were
-- looked at, and which hold the needle.
local ns, from, count, needle = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local members = redis.call('ZRANGE', KEYS[1], from, from + count - 1)
local found, ids = {}, {}
if #members == 0 then return { 0, found } end
for at, m in ipairs(members) do ids[at] = ARGV[5] == '1' and id_of(m) or m end
for at, text in ipairs(redis.call('HMGET', ns .. 'users:text', unpack(ids))) do
    if holds(text, needle) then found[#found + 1] = members[at] end
end
return { #members, found }
