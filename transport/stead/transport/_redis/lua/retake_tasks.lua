#!lua flags=allow-oom
-- Takes over tasks of workers that have not kept them alive. The place that a task has within its limit goes with it; what its
-- rate does not let begin again yet is passed by.
--
-- KEYS  of each queue: queue (stream), limits (hash), limited, due and rates (zset);   then the workers (hash), the hub record (hash)
-- Gives {{which queue, entry, partition, task ID, deliveries, limit or ""}, ...}. A worker that was heard of after it had been
-- given up on did not end on the task: that delivery does not count. (Taken over at once, 0 ms, nobody can have been heard of since.)
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('XCLAIM', 'XACK', 'XDEL', 'XADD', 'ZADD', 'ZREMRANGEBYSCORE')
local left, looks = limit, 500
local workers = table.remove(KEYS)
local now = now_ms()
local now_us = call('TIME')
now_us = now_us[1] * 1000000 + now_us[2]
for first = 1, #KEYS, 5 do
  check(KEYS[first], 'stream')
  check(KEYS[first + 1], 'hash')
  for i = 2, 4 do check(KEYS[first + i], 'zset') end
end

-- Whether a task may begin once more now, which counts for its rate.
local function may_begin(queue, limits, rates, id)
  local entry = call('XRANGE', queue, id, id)[1]
  local fields = entry and entry[2]
  if not fields or fields[5] ~= 'l' then return true end
  local behind = fields[6]
  local _, interval, tolerance = numbers_of(limits, behind, named(fields).q)
  if interval == 0 then return true end
  local next_us = math.min(tonumber(call('ZSCORE', rates, behind) or 0), now_us + interval + tolerance)
  if next_us - tolerance > now_us then return false end
  call('ZREMRANGEBYSCORE', rates, '-inf', '(' .. text(now_us))
  call('ZADD', rates, text(math.max(next_us, now_us) + interval), behind)
  return true
end

local taken = {}
for first = 1, #KEYS, 5 do
  local queue, limits, rates, place, from = KEYS[first], KEYS[first + 1], KEYS[first + 4], (first + 4) / 5, '-'
  open_queue(queue)
  while left > 0 and looks > 0 do
    local page = call('XPENDING', queue, 'workers', 'IDLE', idle_ms, from, '+', left)
    if #page == 0 then break end
    from = '(' .. page[#page][1]
    looks = looks - #page
    for _, pending in ipairs(page) do
      if may_begin(queue, limits, rates, pending[1]) then
        local lives = idle_ms > 0 and outlived(workers, pending[2], pending[2] == worker and 0 or now - pending[3] + idle_ms)
        local deliveries = pending[4] + (lives and 0 or 1)
        -- Gives nothing for an entry that is gone from the stream, and forgets that it was taken.
        local entry = call('XCLAIM', queue, 'workers', worker, 0, pending[1], 'RETRYCOUNT', deliveries)[1]
        local fields = entry and entry[2]
        if fields and fields[1] == 'b' then  -- taken by a worker that knows no limits: it rings once more
          call('XACK', queue, 'workers', entry[1])
          call('XDEL', queue, entry[1])
          call('XADD', queue, '*', 'b', fields[2])
        elseif fields then
          taken[#taken + 1] = {place, entry[1], fields[2], fields[4] or '', deliveries, fields[5] == 'l' and fields[6] or ''}
          left = left - 1
        end
      end
    end
  end
end
return taken
