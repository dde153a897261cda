#!lua flags=no-writes
-- Reads parts of sets of one partition, all at one moment: an entry that moves from one part to another is in one of them.
--
-- KEYS  the set (zset) of each part
-- Gives the members of each part; of the first `counted` parts only how many they are together, before the others.
-- Errors: WRONGTYPE.
local found, count = {}, 0
for i, part in ipairs(parts) do
  local least, most = part[PART_OF_SET_LEAST], part[PART_OF_SET_MOST]
  local by_member = part[PART_OF_SET_BY_MEMBER] == 1
  if i <= counted then
    count = count + call(by_member and 'ZLEXCOUNT' or 'ZCOUNT', KEYS[i], least, most)
  else
    found[#found + 1] = call('ZRANGE', KEYS[i], least, most, by_member and 'BYLEX' or 'BYSCORE')
  end
end
if counted > 0 then
  table.insert(found, 1, count)
end
return found
