#!lua flags=allow-oom
-- Careful mode: records which message is about to run, so that a death on it can be told (HAZARDS 20).
--
-- KEYS  1 lease (hash)
-- ARGV  1 packed: 1 token, 2 target, 3 stream ID, 4 tries
-- Gives 1, or 0 if the lease is another's.
-- Errors: STEADTYPE (nothing written).
local a = cmsgpack.unpack(ARGV[1])
local lease = KEYS[1]
check(lease, 'hash')
if a[1] == '' or call('HGET', lease, 'token') ~= a[1] then return 0 end
call('HSET', lease, 'running_target', a[2], 'running_id', a[3], 'running_tries', a[4])
return 1
