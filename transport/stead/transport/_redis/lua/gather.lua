#!lua flags=no-writes
-- Reads parts of sets of one partition, all at one moment: an entry that moves from one part to another is in one of them.
--
-- KEYS  the set (zset) of each part
-- Gives the members of each part; or, if they are to be counted, how many they are.
-- Errors: WRONGTYPE.
local found, count = {}, 0
for i, part in ipairs(parts) do
  local least, most = part[PART_OF_SET_LEAST], part[PART_OF_SET_MOST]
  local by_member = part[PART_OF_SET_BY_MEMBER] == 1
  if counted == 1 then
    count = count + call(by_member and 'ZLEXCOUNT' or 'ZCOUNT', KEYS[i], least, most)
  else
    found[i] = call('ZRANGE', KEYS[i], least, most, by_member and 'BYLEX' or 'BYSCORE')
  end
end
return counted == 1 and count or found
