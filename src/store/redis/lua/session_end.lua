-- KEYS: the set of those to end. ARGV: ns, the subject they must have ('' for any), then more of them by name.
-- Answers which there were.
local ns, subject = ARGV[1], ARGV[2]
local ended = {}
local function over(id)
    if subject ~= '' and fields(ns .. 'session:' .. id, 'subject')[1] ~= string.sub(subject, 2) then return end
    if end_session(ns, id) == 1 then ended[#ended + 1] = id end
end
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do over(id) end
for at = 3, #ARGV do over(ARGV[at]) end
return ended
