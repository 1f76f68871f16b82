-- KEYS: the token. Answers its time to live in milliseconds (-1 for ever, -2 not there), then fields and values.
return { redis.call('PTTL', KEYS[1]), redis.call('HGETALL', KEYS[1]) }
