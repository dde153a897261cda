#!lua flags=allow-oom
-- Says that a worker lives, forgets those not heard of within their time, and gives all others.
--
-- KEYS  1 workers (hash: worker -> "beat ms:info")   2 beats (zset: worker by the ms at which it is forgotten)
--       3 hub record (hash)
-- Gives {now ms, {worker, "beat ms:info", ...}}.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('HSET', 'ZADD', 'HDEL', 'ZREM')
check(workers, 'hash')
check(beats, 'zset')
local now = now_ms()
call('HSET', workers, worker, text(now) .. ':' .. info)
call('ZADD', beats, text(now + ttl_ms), worker)
local gone = call('ZRANGEBYSCORE', beats, '-inf', '(' .. text(now))
in_pieces('HDEL', workers, gone)
in_pieces('ZREM', beats, gone)
return {text(now), call('HGETALL', workers)}
