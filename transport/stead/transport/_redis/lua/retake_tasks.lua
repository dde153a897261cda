#!lua flags=allow-oom
-- Takes over tasks of workers that have not kept them alive. The place that a task has within its limit goes with it.
--
-- KEYS  the queues (stream), then the workers (hash), then the hub record (hash)
-- Gives {{which queue, entry, partition, task ID, deliveries, limit or ""}, ...}. A worker that was heard of after it had been
-- given up on did not end on the task: that delivery does not count. (Taken over at once, 0 ms, nobody can have been heard of since.)
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('XCLAIM', 'XACK', 'XDEL', 'XADD')
local left = limit
local workers = table.remove(KEYS)
local now = now_ms()
for _, queue in ipairs(KEYS) do check(queue, 'stream') end

local taken = {}
for place, queue in ipairs(KEYS) do
  open_queue(queue)
  if left > 0 then
    for _, pending in ipairs(call('XPENDING', queue, 'workers', 'IDLE', idle_ms, '-', '+', left)) do
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
return taken
