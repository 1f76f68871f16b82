-- KEYS: a bucket. ARGV: max, window, want, now; milliseconds. Answers granted, left, and in how long there is more.
-- The same arithmetic as src/store/windows.rs: two fixed windows, the older one weighed by how much of it the sliding
-- window still covers.
local key = KEYS[1]
local max, length, want, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local w = redis.call('HMGET', key, 'number', 'length', 'before', 'now')
local number, before, current = math.floor(now / length), 0, 0
local last = tonumber(w[1])
if last and tonumber(w[2]) == length then
    -- A clock set back, or behind another gateway's, counts on in the window that there is.
    if last > number then number = last end
    if number == last then
        before, current = tonumber(w[3]) or 0, tonumber(w[4]) or 0
    elseif number == last + 1 then
        before = tonumber(w[4]) or 0
    end
end
local into = math.min(math.max(now - number * length, 0), length - 1)
local left = math.max(max - current - math.ceil(before * (length - into) / length), 0)
local granted = math.min(want, left)
current, left = current + granted, left - granted

-- The first moment at which ceil(count * (length - moment) / length) is within the room.
local function leaves(count, room)
    return math.max(length - math.floor(room * length / math.max(count, 1)), 0)
end
local again = 0
if left == 0 then
    local room = max - 1
    if room < 0 then
        again = length
    elseif room >= current then
        again = math.max(leaves(before, room - current) - into, 1)
    else
        again = math.max(length - into + leaves(current, room), 1)
    end
end
local function whole(n) return string.format('%.0f', n) end
redis.call('HSET', key, 'number', whole(number), 'length', whole(length), 'before', whole(before), 'now', whole(current))
-- Gone when it ran out by every gateway's clock, as long as those are within seconds of each other.
redis.call('PEXPIRE', key, whole(2 * length + 5000))
return { granted, left, again }
