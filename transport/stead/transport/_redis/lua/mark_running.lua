#!lua flags=allow-oom
-- Careful mode: records which message is about to run, so that a death on it can be told (HAZARDS 20). No `fence`: also what
-- runs in a partition that a commit has left in the middle is to be told.
--
-- KEYS  1 lease (hash)
-- Gives 1, or 0 if the lease is another's.
-- Errors: STEADTYPE (nothing written).
check(lease, 'hash')
if not is_held(lease, token) then return 0 end
call('HSET', lease, 'running_target', target, 'running_id', stream_id, 'running_tries', tries)
return 1
