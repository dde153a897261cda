#!lua flags=allow-oom
-- Takes over tasks of workers that have not kept them alive.
--
-- KEYS  the queues (stream), then the workers (hash), then the hub record (hash)
-- Gives {{place in KEYS, entry, partition, task ID, deliveries}, ...}. A worker that was heard of after it had been given up
-- on did not end on the task: that delivery does not count. (Taken over at once,
-- 0 ms, nobody can have been heard of since.)
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
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
      if entry then
        taken[#taken + 1] = {place, entry[1], entry[2][2], entry[2][4] or '', deliveries}
        left = left - 1
      end
    end
  end
end
return taken
