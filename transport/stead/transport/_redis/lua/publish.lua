#!lua flags=allow-oom
-- Publishes descriptions of kinds, and forgets those that nobody has published for their time.
--
-- KEYS  1 names (hash: name -> description)   2 names' until (zset: name by the ms at which it is forgotten)
--       3 hub record (hash)
-- ARGV  1 packed: 1 ms to live, 2 name, description, ...   3 hub ID
-- Gives how many are known.
-- Errors: STEADHUB, STEADTYPE (nothing written).
local a = cmsgpack.unpack(ARGV[1])
check_hub(a[3])
check(KEYS[1], 'hash')
check(KEYS[2], 'zset')
local now = now_ms()
local until_ms = {}
for i = 1, #a[2], 2 do
  until_ms[i] = text(now + a[1])
  until_ms[i + 1] = a[2][i]
end
in_pieces('HSET', KEYS[1], a[2])
in_pieces('ZADD', KEYS[2], until_ms)
local gone = call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. text(now))
in_pieces('HDEL', KEYS[1], gone)
in_pieces('ZREM', KEYS[2], gone)
return call('ZCARD', KEYS[2])
