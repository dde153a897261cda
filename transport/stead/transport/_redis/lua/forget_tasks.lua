#!lua flags=allow-oom
-- Lets go of entries that were taken, and whose tasks nobody wants any more. Of those that did not begin the rate gets its turn
-- back; of what is taken over from another worker nobody knows.
--
-- KEYS  of each queue: queue (stream), limits (hash), limited, due and rates (zset);   then the hub record (hash)
-- Gives how many there were.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('XACK', 'XDEL', 'XADD', 'ZREM', 'ZADD')
for first = 1, #KEYS, 5 do
  check(KEYS[first], 'stream')
  check(KEYS[first + 1], 'hash')
  for i = 2, 4 do check(KEYS[first + i], 'zset') end
end

for _, row in ipairs(stale) do
  local queue, limits, limited, due, rates = unpack(KEYS, row[STALE_QUEUE], row[STALE_QUEUE] + 4)
  local entry, limit = row[STALE_ENTRY], row[STALE_LIMIT]
  if #limit > 0 and leave_limit(queue, limited, limit, entry) and unbegun == 1 then
    local next_us = call('ZSCORE', rates, limit)
    local found = call('XRANGE', queue, entry, entry)[1]
    if next_us and found then
      local _, interval = numbers_of(limits, limit, named(found[2]).q)
      call('ZADD', rates, text(next_us - interval), limit)
    end
  end
  call('XACK', queue, 'workers', entry)
  call('XDEL', queue, entry)
end
return #stale
