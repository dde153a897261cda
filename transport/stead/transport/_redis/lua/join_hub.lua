#!lua flags=allow-oom
-- Makes a hub's record if there is none, and gives what is there: everyone who joins obeys it (HAZARDS 26).
--
-- KEYS  1 hub record (hash)
-- Gives the record: {field, value, ...}.
-- Errors: STEADTYPE (nothing written).
check(record, 'hash')
if call('EXISTS', record) == 0 then
  call('HSET', record, 'hub_id', hub_id, 'partitions', partitions, 'slot_groups', slot_groups, 'mode', mode, 'format', format,
       'created_ms', text(now_ms()))
end
return call('HGETALL', record)
