#!lua flags=allow-oom
-- Counts one more try of a task that is suspected of ending workers (HAZARDS 20).
--
-- KEYS  1 lease (hash)   2 tasks (hash)   3 tries (hash)
-- Gives {1, the tries so far, this one included, 0 if the task is gone}, {0} if the lease is another's, {-1, commit ID} if
--       a commit stopped in the middle (nothing written).
-- Errors: STEADTYPE (nothing written).
check(lease, 'hash')
check(tasks, 'hash')
check(tries, 'hash')
check_number(tries, task_id)
local refusal = fence(lease, token)
if refusal then return refusal end
local kept = call('HGET', tasks, task_id)
if not kept or kept == 'D' then return {1, 0} end
return {1, call('HINCRBY', tries, task_id, 1)}
