#!lua flags=allow-oom
-- Says that tasks which a worker has taken still run, and lets go of those that nobody wants any more.
--
-- KEYS  queues (stream), tasks (hash) and, of those with a limit, limited (zset), in any order, then the hub record (hash)
-- Gives the places, from 1, of those that nobody wants any more or that another worker has.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('XACK', 'XDEL', 'XCLAIM', 'XADD', 'ZREM')
for _, place in ipairs(queues) do check(KEYS[place], 'stream') end
for _, place in ipairs(hashes) do check(KEYS[place], 'hash') end
for _, place in ipairs(sets) do check(KEYS[place], 'zset') end

for _, place in ipairs(queues) do open_queue(KEYS[place]) end
local lost = {}
for i, task in ipairs(taken) do
  local queue, entry, set = KEYS[task[HOLDING_QUEUE]], task[HOLDING_ENTRY], task[HOLDING_LIMITED]
  if entry_of(call('HGET', KEYS[task[HOLDING_TASKS]], task[HOLDING_TASK_ID])) ~= entry then
    if set > 0 then leave_limit(queue, KEYS[set], task[HOLDING_LIMIT], entry) end
    call('XACK', queue, 'workers', entry)
    call('XDEL', queue, entry)
    lost[#lost + 1] = i
  elseif taker(queue, entry) == worker then
    call('XCLAIM', queue, 'workers', worker, 0, entry, 'JUSTID')
  else
    lost[#lost + 1] = i
  end
end
return lost
