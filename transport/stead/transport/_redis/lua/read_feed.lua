#!lua flags=no-writes
-- Reads a feed on from an entry, or where its end is.
--
-- KEYS  1 stream (stream)   2 trimmed (hash)
-- Gives {how many have been trimmed, how many there are, the ID of the last, {{ID, {field, entry}}, ...}}: the last only if no
-- entries are asked for.
-- Errors: STEADTYPE.
check(stream, 'stream')
check(trimmed, 'hash')
local gone, length = call('HGET', trimmed, feed) or '0', call('XLEN', stream)
if limit > 0 then return {gone, length, '', call('XRANGE', stream, '(' .. after, '+', 'COUNT', limit)} end
local last = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
return {gone, length, last and last[1] or '0-0', {}}
