-- KEYS: an index of tokens. ARGV: ns, from, how many, needle, now, and before when they end ('' for any time or none).
-- Answers how many were looked at, and which have not ended and hold the needle. Every member ends with its digest.
local ns, from, count, needle, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local before = tonumber(ARGV[6])
local members = redis.call('ZRANGE', KEYS[1], from, from + count - 1)
local found, digests = {}, {}
if #members == 0 then return { 0, found } end
for at, m in ipairs(members) do digests[at] = string.sub(m, -64) end
local ends = redis.call('ZMSCORE', ns .. 'tokens:end', unpack(digests))
local texts = redis.call('HMGET', ns .. 'tokens:text', unpack(digests))
for at, m in ipairs(members) do
    local over = tonumber(ends[at])
    local within = (not over or over > now) and (not before or (over and over < before))
    if within and (needle == '' or holds(texts[at], needle) or holds(digests[at], needle)) then
        found[#found + 1] = m
    end
end
return { #members, found }
