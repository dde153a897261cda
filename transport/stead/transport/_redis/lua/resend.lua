#!lua flags=allow-oom
-- Puts a dead letter's message into an inbox again and drops the letter.
--
-- KEYS  1 dead (stream)   2 inbox (stream)
-- ARGV  1 stream ID of the letter   2 payload
-- Gives 1, or 0 if the letter is gone.
-- Errors: STEADTYPE (nothing written).
check(KEYS[1], 'stream')
check(KEYS[2], 'stream')
if #call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 0 end
call('XADD', KEYS[2], '*', 'm', ARGV[2])
call('XDEL', KEYS[1], ARGV[1])
return 1
