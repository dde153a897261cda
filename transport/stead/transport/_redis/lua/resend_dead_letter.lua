#!lua flags=allow-oom
-- Puts a dead letter's message into an inbox again and drops the letter.
--
-- KEYS  1 dead (stream)   2 inbox (stream)
-- Gives 1, or 0 if the letter is gone.
-- Errors: STEADTYPE (nothing written).
may('XADD', 'XDEL')
check(dead, 'stream')
check(inbox, 'stream')
if #call('XRANGE', dead, stream_id, stream_id) == 0 then return 0 end
call('XADD', inbox, '*', 'm', payload)
call('XDEL', dead, stream_id)
return 1
