#!lua flags=allow-oom
-- Puts tasks that a worker has taken back into their queues, where they wait as if it had not taken them; or behind a limit that
-- the worker knows and they did not. Sent again, it does nothing: a task that was put back has another entry.
--
-- KEYS  queues (stream), tasks (hash) and, of those with a limit, limited (zset), in any order, then the hub record (hash)
-- Gives how many were put back: not those that nobody wants any more, that have a result, or that another worker has.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('XADD', 'HSET', 'XACK', 'XDEL', 'ZREM')
for _, place in ipairs(queues) do check(KEYS[place], 'stream') end
for _, place in ipairs(hashes) do check(KEYS[place], 'hash') end
for _, place in ipairs(sets) do check(KEYS[place], 'zset') end

for _, place in ipairs(queues) do open_queue(KEYS[place]) end
local count = 0
for _, task in ipairs(taken) do
  local queue, tasks, set = KEYS[task[HOLDING_QUEUE]], KEYS[task[HOLDING_TASKS]], task[HOLDING_LIMITED]
  local entry, task_id = task[HOLDING_ENTRY], task[HOLDING_TASK_ID]
  local kept = call('HGET', tasks, task_id)
  local wanted = entry_of(kept) == entry
  local had_by, deliveries = taker(queue, entry)
  if wanted and had_by == worker then
    local fields = {'p', task[HOLDING_PARTITION], 't', task_id}
    if task[HOLDING_BEHIND] ~= 0 then
      for _, word in ipairs(task[HOLDING_BEHIND]) do fields[#fields + 1] = word end
    elseif set > 0 then
      local before = call('XRANGE', queue, entry, entry)[1]
      before = before and named(before[2]) or {}
      for _, word in ipairs({'l', task[HOLDING_LIMIT], 'q', before.q or '', 'i', before.i or '', 'r', before.r or '', 'f', '1'}) do
        fields[#fields + 1] = word
      end
    end
    fields[#fields + 1] = 'n'
    fields[#fields + 1] = deliveries - 1
    -- A new entry, not a claim for nobody: it wakes those who wait for one. What stops here leaves an entry too many, which
    -- whoever takes it lets go of.
    local new = call('XADD', queue, '*', unpack(fields))
    call('HSET', tasks, task_id, 'S' .. new .. ':' .. string.sub(kept, #entry + 3))
    count = count + 1
  end
  if not wanted or had_by == worker then
    if set > 0 then leave_limit(queue, KEYS[set], task[HOLDING_LIMIT], entry) end
    call('XACK', queue, 'workers', entry)
    call('XDEL', queue, entry)
  end
end
return count
