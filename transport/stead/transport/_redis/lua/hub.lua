#!lua flags=allow-oom
-- Makes a hub's record if there is none, and gives what is there: everyone who joins obeys it (HAZARDS 26).
--
-- KEYS  1 hub record (hash)
-- ARGV  1 packed: 1 hub ID, 2 partitions, 3 slot groups, 4 mode, 5 format
-- Gives the record: {field, value, ...}.
-- Errors: STEADTYPE (nothing written).
local a = cmsgpack.unpack(ARGV[1])
check(KEYS[1], 'hash')
if call('EXISTS', KEYS[1]) == 0 then
  call('HSET', KEYS[1], 'hub_id', a[1], 'partitions', a[2], 'slot_groups', a[3], 'mode', a[4], 'format', a[5],
       'created_ms', text(now_ms()))
end
return call('HGETALL', KEYS[1])
