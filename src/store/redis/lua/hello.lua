-- KEYS: ring, alive. ARGV: the name of the key that signs.
-- Who comes first says which key it is; whoever comes later must have it. The write shows that this can be written to.
redis.call('SET', KEYS[2], '1', 'PX', 60000)
local ring = redis.call('GET', KEYS[1])
if not ring then
    ring = ARGV[1]
    redis.call('SET', KEYS[1], ring)
end
return ring
