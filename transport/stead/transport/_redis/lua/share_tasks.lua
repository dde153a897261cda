#!lua flags=allow-oom
-- Puts tasks that the owner of a partition runs into their queues, as taken by this worker. Sent again, it gives the same.
--
-- KEYS  1 lease (hash)   2 tasks (hash)   then the queues (stream)
-- Gives {1, {entry, ...}}, an entry "" for a task that is gone or that another worker has; {0} if the lease is another's,
--       {-1, commit ID} if a commit stopped in the middle (nothing written).
-- Errors: STEADTYPE (nothing written).
may('HSET', 'XADD', 'XCLAIM', 'HGET', 'XPENDING')
check(lease, 'hash')
check(tasks, 'hash')
for i = MORE_KEYS, #KEYS do check(KEYS[i], 'stream') end
local refusal, commit = fence(lease, token)
if refusal then return refusal end

for i = MORE_KEYS, #KEYS do open_queue(KEYS[i]) end
call('HSET', lease, 'applying', 'share')
local entries = {}
for i, task in ipairs(wanted) do
  local task_id = task[SHARING_TASK_ID]
  local queue, kept = KEYS[task[SHARING_QUEUE]], call('HGET', tasks, task_id) or 'D'
  local entry = ''
  if string.sub(kept, 1, 1) == 'O' then
    entry = call('XADD', queue, '*', 'p', partition, 't', task_id, 'w', worker)
    call('XCLAIM', queue, 'workers', worker, 0, entry, 'FORCE', 'JUSTID')
    call('HSET', tasks, task_id, 'S' .. entry .. ':' .. string.sub(kept, 2))
  elseif string.sub(kept, 1, 1) == 'S' then
    local shared = entry_of(kept)
    if taker(queue, shared) == worker then entry = shared end
  end
  entries[i] = entry
end
call('HSET', lease, 'applying', commit)
return {1, entries}
