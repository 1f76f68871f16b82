-- KEYS: an index of users. ARGV: ns, from, how many, needle, whether members are by text. Answers how many were
-- looked at, and which hold the needle.
local ns, from, count, needle = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local members = redis.call('ZRANGE', KEYS[1], from, from + count - 1)
local found = {}
for _, m in ipairs(members) do
    local id = ARGV[5] == '1' and id_of(m) or m
    local u = fields(ns .. 'user:' .. id, 'email', 'name')
    if holds(id, needle) or holds(u[1], needle) or holds(u[2], needle) then found[#found + 1] = m end
end
return { #members, found }
