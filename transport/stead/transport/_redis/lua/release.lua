#!lua flags=allow-oom
-- Gives a partition back: it is free, and its last owner ended cleanly, so that what it was running did not end it.
--
-- KEYS  1 lease (hash)
-- Gives 1, or 0 if the lease is another's.
-- Errors: STEADTYPE (nothing written).
may('HSET', 'HDEL')
check(lease, 'hash')
if not is_held(lease, token) then return 0 end
call('HSET', lease, 'token', '', 'owner', '', 'expires', '0', 'free_since', text(now_ms()))
take_back_try(lease)
return 1
