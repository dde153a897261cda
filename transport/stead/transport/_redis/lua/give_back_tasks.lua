#!lua flags=allow-oom
-- Puts tasks that a worker has taken back into their queues, where they wait as if it had not taken them. Sent again, it
-- does nothing: a task that was put back has another entry.
--
-- KEYS  queues (stream) and tasks (hash), in any order, then the hub record (hash)
-- Gives how many were put back: not those that nobody wants any more, that have a result, or that another worker has.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('XADD', 'HSET', 'XACK', 'XDEL')
for _, place in ipairs(queues) do check(KEYS[place], 'stream') end
for _, place in ipairs(hashes) do check(KEYS[place], 'hash') end

for _, place in ipairs(queues) do open_queue(KEYS[place]) end
local count = 0
for _, task in ipairs(taken) do
  local queue, tasks = KEYS[task[HOLDING_QUEUE]], KEYS[task[HOLDING_TASKS]]
  local entry, task_id = task[HOLDING_ENTRY], task[HOLDING_TASK_ID]
  local kept = call('HGET', tasks, task_id)
  local wanted = entry_of(kept) == entry
  local had_by, deliveries = taker(queue, entry)
  if wanted and had_by == worker then
    -- A new entry, not a claim for nobody: it wakes those who wait for one. What stops here leaves an entry too many, which
    -- whoever takes it lets go of.
    local new = call('XADD', queue, '*', 'p', task[HOLDING_PARTITION], 't', task_id, 'n', deliveries - 1)
    call('HSET', tasks, task_id, 'S' .. new .. ':' .. string.sub(kept, #entry + 3))
    count = count + 1
  end
  if not wanted or had_by == worker then
    call('XACK', queue, 'workers', entry)
    call('XDEL', queue, entry)
  end
end
return count
