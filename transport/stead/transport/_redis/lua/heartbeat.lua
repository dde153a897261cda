#!lua flags=allow-oom
-- Says that a worker lives, forgets those not heard of within their time, and gives all others.
--
-- KEYS  1 workers (hash: worker -> "beat ms:info")   2 beats (zset: worker by the ms at which it is forgotten)
--       3 hub record (hash)
-- ARGV  1 worker   2 info   3 ms to live   4 hub ID
-- Gives {now ms, {worker, "beat ms:info", ...}}.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(ARGV[4])
check(KEYS[1], 'hash')
check(KEYS[2], 'zset')
local now = now_ms()
call('HSET', KEYS[1], ARGV[1], text(now) .. ':' .. ARGV[2])
call('ZADD', KEYS[2], text(now + ARGV[3]), ARGV[1])
local gone = call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. text(now))
in_pieces('HDEL', KEYS[1], gone)
in_pieces('ZREM', KEYS[2], gone)
return {text(now), call('HGETALL', KEYS[1])}
