#!lua flags=allow-oom
-- Puts tasks that a worker has taken back into their queues, where they wait as if it had not taken them. Sent again, it
-- does nothing: a task that was put back has another entry.
--
-- KEYS  queues (stream) and tasks (hash), in any order, then the hub record (hash)
-- ARGV  1 packed: 1 worker, 2 places in KEYS of queues, 3 places in KEYS of tasks, 4 taken: {place of the queue, place of
--       tasks, entry, task ID, the partition's number}, ...   5 hub ID
-- Gives how many were put back: not those that nobody wants any more, that have a result, or that another worker has.
-- Errors: STEADHUB, STEADTYPE (nothing written).
local a = cmsgpack.unpack(ARGV[1])
local worker, taken = a[1], a[4]
check_hub(a[5])
for _, place in ipairs(a[2]) do check(KEYS[place], 'stream') end
for _, place in ipairs(a[3]) do check(KEYS[place], 'hash') end

for _, place in ipairs(a[2]) do open_queue(KEYS[place]) end
local count = 0
for _, task in ipairs(taken) do
  local queue, tasks, entry, task_id = KEYS[task[1]], KEYS[task[2]], task[3], task[4]
  local kept = call('HGET', tasks, task_id)
  local wanted = entry_of(kept) == entry
  local had_by, deliveries = taker(queue, entry)
  if wanted and had_by == worker then
    -- A new entry, not a claim for nobody: it wakes those who wait for one. What stops here leaves an entry too many, which
    -- whoever takes it lets go of.
    local new = call('XADD', queue, '*', 'p', task[5], 't', task_id, 'n', deliveries - 1)
    call('HSET', tasks, task_id, 'S' .. new .. ':' .. string.sub(kept, #entry + 3))
    count = count + 1
  end
  if not wanted or had_by == worker then
    call('XACK', queue, 'workers', entry)
    call('XDEL', queue, entry)
  end
end
return count
