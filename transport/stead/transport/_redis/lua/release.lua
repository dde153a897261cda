#!lua flags=allow-oom
-- Gives a partition back: it is free, and its last owner ended cleanly, so that what it was running did not end it.
--
-- KEYS  1 lease (hash)
-- ARGV  1 token
-- Gives 1, or 0 if the lease is another's.
-- Errors: STEADTYPE (nothing written).
local lease = KEYS[1]
check(lease, 'hash')
if ARGV[1] == '' or call('HGET', lease, 'token') ~= ARGV[1] then return 0 end
call('HSET', lease, 'token', '', 'owner', '', 'expires', '0', 'free_since', text(now_ms()))
take_back_try(lease)
return 1
