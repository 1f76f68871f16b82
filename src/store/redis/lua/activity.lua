-- KEYS: the lines, each behind its number. ARGV: from, how many, how many matched before, offset, limit, then event, what, decision ('' for
-- any) and the needle. Answers how many were looked at, how many matched, and those within the slice.
local from, count, matched = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local offset, limit = tonumber(ARGV[4]), tonumber(ARGV[5])
local needle = ARGV[9]
local lines = redis.call('ZREVRANGE', KEYS[1], from, from + count - 1)
local found = {}
local function is(value, wanted) return wanted == '' or value == string.sub(wanted, 2) end
for _, line in ipairs(lines) do
    local read, a = pcall(cjson.decode, string.sub(line, (string.find(line, ' ', 1, true) or 0) + 1))
    if read and type(a) == 'table' and is(a[2], ARGV[6]) and is(a[3], ARGV[7]) and is(a[5], ARGV[8]) then
        local who, text = type(a[4]) == 'string' and a[4], type(a[6]) == 'string' and a[6]
        if needle == '' or holds(who and string.lower(who), needle) or holds(text and string.lower(text), needle) then
            if matched >= offset and matched < offset + limit then found[#found + 1] = line end
            matched = matched + 1
        end
    end
end
return { #lines, matched, found }
