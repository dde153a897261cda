#!lua flags=allow-oom
-- Makes a hub's record if there is none, and gives what is there: everyone who joins obeys it (HAZARDS 26). Who joins with a codec
-- of payloads, or a place for large ones, says so for good, and raises the format: versions that know nothing of codecs stay away from then on (HAZARDS 114).
--
-- KEYS  1 hub record (hash)
-- Gives the record: {field, value, ...}.
-- Errors: STEADTYPE (nothing written).
check(record, 'hash')
if call('EXISTS', record) == 0 then
  call('HSET', record, 'hub_id', hub_id, 'partitions', partitions, 'slot_groups', slot_groups, 'mode', mode, 'format', format,
       'created_ms', text(now_ms()))
end
if coded ~= '' then call('HSET', record, 'coded', '1') end
if apart ~= '' then call('HSET', record, 'apart', '1') end
local least = math.max(tonumber(coded) or 0, tonumber(apart) or 0)
if tonumber(call('HGET', record, 'format')) < least then call('HSET', record, 'format', text(least)) end
return call('HGETALL', record)
