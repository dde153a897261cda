#!lua flags=allow-oom
-- Publishes descriptions of kinds, and forgets those that nobody has published for their time.
--
-- KEYS  1 names (hash: name -> description)   2 names_until (zset: name by the ms at which it is forgotten)
--       3 hub record (hash)
-- Gives how many are known.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('HSET', 'ZADD', 'HDEL', 'ZREM')
check(names, 'hash')
check(names_until, 'zset')
local now = now_ms()
local until_ms = {}
for i = 1, #described, 2 do
  until_ms[i] = text(now + ttl_ms)
  until_ms[i + 1] = described[i]
end
in_pieces('HSET', names, described)
in_pieces('ZADD', names_until, until_ms)
local gone = call('ZRANGEBYSCORE', names_until, '-inf', '(' .. text(now))
in_pieces('HDEL', names, gone)
in_pieces('ZREM', names_until, gone)
return call('ZCARD', names_until)
