#!lua flags=allow-oom
-- Puts a task's result into its partition's inbox, if it is still wanted and has none yet, and lets go of what was taken.
--
-- KEYS  1 tasks (hash)   2 inbox (stream)   and if it was taken: 3 queue (stream)   and if it has a limit: 4 limited (zset)
-- Gives 1, or 0 if the result was not wanted.
-- Errors: STEADTYPE (nothing written).
may('XADD', 'HSET', 'XACK', 'XDEL', 'ZREM')
check(tasks, 'hash')
check(inbox, 'stream')
if queue then check(queue, 'stream') end
if limited then check(limited, 'zset') end

local wanted = 0
local kept = call('HGET', tasks, task_id)
if kept and kept ~= 'D' then
  call('XADD', inbox, '*', 'm', payload)
  call('HSET', tasks, task_id, 'D')
  wanted = 1
end
if limited then leave_limit(queue, limited, limit, entry) end
if queue then
  call('XACK', queue, 'workers', entry)
  call('XDEL', queue, entry)
end
return wanted
