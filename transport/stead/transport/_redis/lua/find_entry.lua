#!lua flags=no-writes
-- Finds an entry of a feed, and gives its mark: so it need not be read to see whether it is still the same.
--
-- KEYS  1 stream (stream)   2 trimmed (hash)
-- Gives {how many have been trimmed, how many there are, the ID or "0-0", the first byte of the entry's SHA-1 in hexadecimal}.
-- Errors: STEADTYPE.
check(stream, 'stream')
check(trimmed, 'hash')
local found
if stream_id == '+' then
  found = call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
else
  found = call('XRANGE', stream, stream_id, stream_id)[1]
end
local mark = found and string.sub(redis.sha1hex(found[2][2]), 1, 2) or '0'
return {call('HGET', trimmed, feed) or '0', call('XLEN', stream), found and found[1] or '0-0', mark}
