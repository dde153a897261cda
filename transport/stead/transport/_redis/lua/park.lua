#!lua flags=allow-oom
-- Moves messages of one target from the inbox to its park, under their own stream IDs (HAZARDS 11).
--
-- A park is a sorted set of "padded stream ID:payload" and not a stream, because a stream takes only ever larger IDs,
-- and the tail of a mailbox is often parked before its head.
--
-- KEYS  1 lease (hash)   2 inbox (stream)   3 parked (hash)   4 park (zset)
-- Gives {1}, {0} if the lease is another's, {-1, commit ID} if a commit stopped in the middle (nothing written).
-- Errors: STEADTYPE (nothing written).
may('HSET', 'ZADD', 'XDEL', 'HINCRBY', 'XRANGE', 'ZRANGE')
check(lease, 'hash')
check(inbox, 'stream')
check(parked, 'hash')
check(park, 'zset')
check_number(lease, 'parked')
local refusal, commit = fence(lease, token)
if refusal then return refusal end
local keys = {}
for i, id in ipairs(stream_ids) do keys[i] = padded(id) end

call('HSET', lease, 'applying', 'park')
local moved = 0
for i, id in ipairs(stream_ids) do
  local entry = call('XRANGE', inbox, id, id)[1]
  if entry then
    moved = moved + call('ZADD', park, 0, keys[i] .. ':' .. entry[2][2])
    call('XDEL', inbox, id)
  end
end
if moved > 0 then
  call('HINCRBY', lease, 'parked', moved)
  call('HSET', parked, target, first_parked(park))
end
call('HSET', lease, 'applying', commit)
return {1}
