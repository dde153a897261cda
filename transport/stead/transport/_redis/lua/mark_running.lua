#!lua flags=allow-oom
-- Careful mode: records what is about to run, so that a death on it can be told, or which deaths are known of (HAZARDS 20).
-- No `fence`: also what runs in a partition that a commit has left in the middle is to be told.
--
-- KEYS  1 lease (hash)
-- A target "" leaves the marker as it is, and no `deaths` leave those; one that is "" removes them.
-- Gives 1, or 0 if the lease is another's.
-- Errors: STEADTYPE (nothing written).
may('HSET', 'HDEL')
check(lease, 'hash')
if not is_held(lease, token) then return 0 end
if target ~= '' then
  call('HSET', lease, 'running_target', target, 'running_id', stream_id, 'running_tries', tries)
end
if deaths[1] == '' then
  call('HDEL', lease, 'deaths')
elseif deaths[1] then
  call('HSET', lease, 'deaths', deaths[1])
end
return 1
