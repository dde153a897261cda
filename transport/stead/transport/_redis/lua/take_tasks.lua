#!lua flags=allow-oom
-- Takes tasks from queues, those of the first queue first. Does not wait: an answer with nothing says from where to wait.
--
-- KEYS  the queues (stream), then the hub record (hash)
-- Gives {{place in KEYS, entry, partition, task ID, deliveries}, ...}, {the last entry delivered of each queue, ...}.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
local left = limit
for _, queue in ipairs(KEYS) do check(queue, 'stream') end

-- Not XREADGROUP: it would take from their workers the entries that were taken when they came (see `share_tasks`).
local taken, delivered = {}, {}
for place, queue in ipairs(KEYS) do
  open_queue(queue)
  local last = group_of(queue)['last-delivered-id']
  local before = last
  while left > 0 do
    local entries = call('XRANGE', queue, '(' .. last, '+', 'COUNT', left)
    if #entries == 0 then break end
    for _, entry in ipairs(entries) do
      last = entry[1]
      local fields = entry[2]
      if not (fields[5] == 'w' and taker(queue, last)) then
        -- One that was given back says how often it was taken before (see `give_back_tasks`).
        local deliveries = 1 + (fields[5] == 'n' and tonumber(fields[6]) or 0)
        call('XCLAIM', queue, 'workers', worker, 0, last, 'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID')
        taken[#taken + 1] = {place, last, fields[2], fields[4] or '', deliveries}
        left = left - 1
      end
    end
  end
  if last ~= before then call('XGROUP', 'SETID', queue, 'workers', last) end
  delivered[place] = last
end
return {taken, delivered}
