#!lua flags=allow-oom
-- Puts a task's result into its partition's inbox, if it is still wanted and has none yet, and lets go of what was taken.
--
-- KEYS  1 tasks (hash)   2 inbox (stream)   and if it was taken: 3 queue (stream)
-- ARGV  1 task ID   2 payload   3 entry in the queue, or ""
-- Gives 1, or 0 if the result was not wanted.
-- Errors: STEADTYPE (nothing written).
local tasks, inbox, queue = KEYS[1], KEYS[2], KEYS[3]
check(tasks, 'hash')
check(inbox, 'stream')
if queue then check(queue, 'stream') end

local wanted = 0
local kept = call('HGET', tasks, ARGV[1])
if kept and kept ~= 'D' then
  call('XADD', inbox, '*', 'm', ARGV[2])
  call('HSET', tasks, ARGV[1], 'D')
  wanted = 1
end
if queue then
  call('XACK', queue, 'workers', ARGV[3])
  call('XDEL', queue, ARGV[3])
end
return wanted
