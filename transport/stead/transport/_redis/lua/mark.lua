#!lua flags=allow-oom
-- Counts one more try of a task that is suspected of ending workers (HAZARDS 20).
--
-- KEYS  1 lease (hash)   2 tasks (hash)   3 tries (hash)
-- ARGV  1 packed: 1 token, 2 task ID
-- Gives {1, the tries so far, this one included, 0 if the task is gone}, {0} if the lease is another's, {-1, commit ID} if
--       a commit stopped in the middle (nothing written).
-- Errors: STEADTYPE (nothing written).
local a = cmsgpack.unpack(ARGV[1])
local lease, tasks, tries = KEYS[1], KEYS[2], KEYS[3]
check(lease, 'hash')
check(tasks, 'hash')
check(tries, 'hash')
check_number(tries, a[2])
local refusal = fence(lease, a[1])
if refusal then return refusal end
local kept = call('HGET', tasks, a[2])
if not kept or kept == 'D' then return {1, 0} end
return {1, call('HINCRBY', tries, a[2], 1)}
