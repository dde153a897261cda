#!lua flags=allow-oom
-- Says that tasks which a worker has taken still run, and what they have to say, and lets go of those that nobody wants any more.
--
-- KEYS  queues (stream), tasks (hash), of those with a limit limited (zset) and of what was said inboxes (stream), in any order,
--       then the hub record (hash)
-- Gives {the places, from 1, of those that nobody wants any more or that another worker has, those of what is to end}.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('XACK', 'XDEL', 'XCLAIM', 'XADD', 'ZREM')
for _, place in ipairs(queues) do check(KEYS[place], 'stream') end
for _, place in ipairs(hashes) do check(KEYS[place], 'hash') end
for _, place in ipairs(sets) do check(KEYS[place], 'zset') end
for _, place in ipairs(inboxes) do check(KEYS[place], 'stream') end

for _, place in ipairs(queues) do open_queue(KEYS[place]) end
local lost, ending = {}, {}
for i, task in ipairs(taken) do
  local queue, entry, set = KEYS[task[HOLDING_QUEUE]], task[HOLDING_ENTRY], task[HOLDING_LIMITED]
  local kept = call('HGET', KEYS[task[HOLDING_TASKS]], task[HOLDING_TASK_ID])
  if entry_of(kept) ~= entry then
    if set > 0 then leave_limit(queue, KEYS[set], task[HOLDING_LIMIT], entry) end
    call('XACK', queue, 'workers', entry)
    call('XDEL', queue, entry)
    lost[#lost + 1] = i
  elseif taker(queue, entry) == worker then
    call('XCLAIM', queue, 'workers', worker, 0, entry, 'JUSTID')
    if #kept == #entry + 2 then  -- it has lost its payload: it is to end (see `commit.lua`)
      ending[#ending + 1] = i
    elseif task[HOLDING_INBOX] > 0 then
      call('XADD', KEYS[task[HOLDING_INBOX]], '*', 'm', task[HOLDING_SAID])
    end
  else
    lost[#lost + 1] = i
  end
end
return {lost, ending}
