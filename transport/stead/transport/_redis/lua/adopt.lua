#!lua flags=allow-oom
-- Makes a version of the catalogue that of a partition: indexes come, and others go with their sets. Sent again, it gives the same.
--
-- KEYS  1 lease (hash)   2 index (zset)   3 built (hash)   then the sets (zset) of the indexes that go
-- Gives {0} if the lease is another's; {-1, commit ID} if a commit stopped in the middle; else {1, {index, how far, ...}}.
-- An index that comes is ready at once where there is nothing that it could be of.
-- Errors: STEADTYPE (nothing written).
may('HSET', 'HDEL', 'UNLINK')
check(lease, 'hash')
check(index, 'zset')
check(built, 'hash')
for place = MORE_KEYS, #KEYS do check(KEYS[place], 'zset') end
local refused = fence(lease, token)
if refused then return refused end
local begun = {}
for _, new in ipairs(added) do
  if call('HEXISTS', built, new[JOINING_NAME]) == 0 then
    local some = call('ZRANGEBYLEX', index, new[JOINING_FIRST], new[JOINING_END], 'LIMIT', 0, 1)
    begun[#begun + 1] = new[JOINING_NAME]
    begun[#begun + 1] = #some == 0 and '+' or '-'
  end
end

for place = MORE_KEYS, #KEYS do call('UNLINK', KEYS[place]) end
in_pieces('HDEL', built, dropped)
in_pieces('HSET', built, begun)
call('HSET', lease, 'catalogue', version)
return {1, call('HGETALL', built)}
