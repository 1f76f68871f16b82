-- KEYS: an index of tokens. ARGV: ns, from, how many, needle, now. Answers how many were looked at, and which have not
-- ended and hold the needle. Every member ends with its digest.
local ns, from, count, needle, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local members = redis.call('ZRANGE', KEYS[1], from, from + count - 1)
local found = {}
for _, m in ipairs(members) do
    local digest = string.sub(m, -64)
    local ends = tonumber(redis.call('ZSCORE', ns .. 'tokens:end', digest) or nil)
    if not ends or ends > now then
        local entry = redis.call('HGET', ns .. 'tokens:entry', digest)
        local hit = needle == '' or holds(digest, needle)
        if hit or entry and holds(cjson.decode(entry).text, needle) then found[#found + 1] = m end
    end
end
return { #members, found }
