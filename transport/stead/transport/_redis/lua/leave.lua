#!lua flags=allow-oom
-- Forgets a worker.
--
-- KEYS  1 workers (hash)   2 beats (zset)
-- Gives 1 if it was known, else 0.
-- Errors: STEADTYPE (nothing written).
may('HDEL', 'ZREM')
check(workers, 'hash')
check(beats, 'zset')
call('HDEL', workers, worker)
return call('ZREM', beats, worker)
