#!lua flags=allow-oom
-- Gets queues ready to be taken from, declares the limits of their activities, and forgets the workers that have long left them.
--
-- KEYS  of each queue: queue (stream), limits (hash), limited, due and rates (zset);   then the hub record (hash)
-- Gives how many workers were forgotten.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('XADD', 'HSET', 'ZREM')
for first = 1, #KEYS, 5 do
  check(KEYS[first], 'stream')
  check(KEYS[first + 1], 'hash')
  for i = 2, 4 do check(KEYS[first + i], 'zset') end
end

-- Rings for each limit behind which something waits, of those that begin so.
local function ring_all(queue, limited, begins)
  local from = '[w' .. begins
  while true do
    local member = call('ZRANGEBYLEX', limited, from, '(w' .. begins .. '\255', 'LIMIT', 0, 1)[1]
    local limit = member and string.match(member, '^w([^%z]*)%z')
    if not limit then return end
    ring(queue, limit)
    from = '[w' .. limit .. '\1'
  end
end

local forgotten = 0
for first = 1, #KEYS, 5 do
  local queue, limited = KEYS[first], KEYS[first + 2]
  open_queue(queue)
  for _, consumer in ipairs(call('XINFO', 'CONSUMERS', queue, 'workers')) do
    local facts = {}
    for i = 1, #consumer, 2 do facts[consumer[i]] = consumer[i + 1] end
    -- What it has taken would be forgotten with it, so it must have nothing.
    if facts.pending == 0 and facts.idle > forget_ms then
      call('XGROUP', 'DELCONSUMER', queue, 'workers', facts.name)
      forgotten = forgotten + 1
    end
  end
  -- A place within a limit whose entry is gone, which no step of stead leaves behind, would be lost for ever.
  for _, member in ipairs(call('ZRANGEBYLEX', limited, '[r', '(s')) do
    local limit, entry = string.match(member, '^r([^%z]*)%z(.*)$')
    if not limit or not taker(queue, entry) then
      call('ZREM', limited, member)
      if limit and first_waiting(limited, limit) then ring(queue, limit) end
    end
  end
end
for _, row in ipairs(declared) do
  local queue, limits, limited = unpack(KEYS, row[LIMIT_NUMBERS_OF_QUEUE], row[LIMIT_NUMBERS_OF_QUEUE] + 2)
  local before = call('HGET', limits, 'n' .. row[LIMIT_NUMBERS_OF_ACTIVITY])
  if before ~= row[LIMIT_NUMBERS_OF_NUMBERS] and (joining == 1 or not before) then
    call('HSET', limits, 'n' .. row[LIMIT_NUMBERS_OF_ACTIVITY], row[LIMIT_NUMBERS_OF_NUMBERS])
    ring_all(queue, limited, row[LIMIT_NUMBERS_OF_ACTIVITY] .. '\0')
    ring_all(queue, limited, row[LIMIT_NUMBERS_OF_ACTIVITY] .. ':')
  end
end
return forgotten
