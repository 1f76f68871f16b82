-- KEYS: sessions by age. ARGV: ns, from, how many, needle, now. Answers how many were looked at, and which live and
-- hold the needle.
local ns, from, count, needle, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local members = redis.call('ZRANGE', KEYS[1], from, from + count - 1)
local found = {}
for _, id in ipairs(members) do
    local s = fields(ns .. 'session:' .. id, 'user_id', 'provider', 'address', 'expires_at')
    local ends = tonumber(s[4])
    if ends and ends > now then
        local hit = needle == '' or holds(s[1], needle) or holds(s[2], needle) or holds(s[3], needle)
        if hit or s[1] and holds(fields(ns .. 'user:' .. s[1], 'email')[1], needle) then found[#found + 1] = id end
    end
end
return { #members, found }
