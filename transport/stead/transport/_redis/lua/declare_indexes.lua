#!lua flags=allow-oom
-- Says that indexes are wanted, and forgets those that nobody has wanted for their time. The first raises the hub's format: versions that
-- know nothing of indexes, and would not maintain them, stay away from then on (HAZARDS 26, 86).
--
-- KEYS  1 catalogue (hash: index -> description; version)   2 catalogue_until (zset: index by the ms at which it is forgotten)
--       3 hub record (hash)
-- Gives {{field, value, ...} of the catalogue}.
-- Errors: STEADHUB, STEADTYPE (nothing written).
local record = KEYS[#KEYS]
check_hub(hub_id)
may('HSET', 'HDEL', 'HINCRBY', 'ZADD', 'ZREM')
check(catalogue, 'hash')
check(catalogue_until, 'zset')
check_number(catalogue, 'version')
check_number(record, 'format')
local now = now_ms()
local wanted, come, until_ms = {}, {}, {}
for i = 1, #described, 2 do
  local name = described[i]
  wanted[name] = true
  until_ms[i] = text(now + ttl_ms)
  until_ms[i + 1] = name
  if call('HEXISTS', catalogue, name) == 0 then
    come[#come + 1] = name
    come[#come + 1] = described[i + 1]
  end
end
local gone = {}
for _, name in ipairs(call('ZRANGEBYSCORE', catalogue_until, '-inf', '(' .. text(now))) do
  if not wanted[name] then gone[#gone + 1] = name end
end

if #come > 0 and tonumber(call('HGET', record, 'format') or '1') < tonumber(format) then
  call('HSET', record, 'format', format)
end
in_pieces('HSET', catalogue, come)
in_pieces('ZADD', catalogue_until, until_ms)
in_pieces('HDEL', catalogue, gone)
in_pieces('ZREM', catalogue_until, gone)
if #come > 0 or #gone > 0 then call('HINCRBY', catalogue, 'version', 1) end
return {call('HGETALL', catalogue)}
