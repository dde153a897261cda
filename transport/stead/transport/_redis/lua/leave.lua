#!lua flags=allow-oom
-- Forgets a worker.
--
-- KEYS  1 workers (hash)   2 beats (zset)
-- ARGV  1 worker
-- Gives 1 if it was known, else 0.
-- Errors: STEADTYPE (nothing written).
check(KEYS[1], 'hash')
check(KEYS[2], 'zset')
call('HDEL', KEYS[1], ARGV[1])
return call('ZREM', KEYS[2], ARGV[1])
