#!lua flags=allow-oom
-- A commit that sends starts or ends instances, in one step with what that changes in the indexes. `commit.lua` is put
-- before this as the function `commit`: it enters what it creates and removes what it deletes, and looks at no reservation,
-- so that all other commits need not pay for it.
--
-- KEYS  as of a commit, then what ARGV 2 names: starts (hash) of this partition, indexes (zset) of others
-- ARGV  1 as of a commit
--       2 packed: 1 index in KEYS of this partition's starts   2 sent: {index in KEYS, {0, instance, ...}}, ...
--          3 doubtful: instances of this partition, which exist as long as they have a record or a reservation
-- Gives what a commit gives.
-- Errors: STEADTYPE (nothing written). Needs no memory check, as a commit.
local l = cmsgpack.unpack(ARGV[2])
local starts, sent, doubtful = KEYS[l[1]], l[2], l[3]
local state, index = KEYS[3], KEYS[4]
check(starts, 'hash')
check(state, 'hash')
check(index, 'zset')
for _, to in ipairs(sent) do check(KEYS[to[1]], 'zset') end

local verdict = commit()
if verdict ~= 1 then return verdict end
for _, to in ipairs(sent) do in_pieces('ZADD', KEYS[to[1]], to[2]) end
local there, gone = {}, {}
for _, instance in ipairs(doubtful) do
  if call('HEXISTS', starts, instance) == 1 or call('HEXISTS', state, instance) == 1 then
    there[#there + 1] = 0
    there[#there + 1] = instance
  else
    gone[#gone + 1] = instance
  end
end
in_pieces('ZADD', index, there)
in_pieces('ZREM', index, gone)
return verdict
