#!lua flags=no-writes
-- Reads a feed on from an entry, or how much there is of it.
--
-- KEYS  1 stream (stream)   2 trimmed (hash)
-- Gives {how many have been trimmed, how many there are, {{ID, {field, entry}}, ...}}: at most `limit`.
-- Errors: STEADTYPE.
check(stream, 'stream')
check(trimmed, 'hash')
local entries = limit > 0 and call('XRANGE', stream, '(' .. after, '+', 'COUNT', limit) or {}
return {call('HGET', trimmed, feed) or '0', call('XLEN', stream), entries}
