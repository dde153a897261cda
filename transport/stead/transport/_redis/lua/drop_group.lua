#!lua flags=allow-oom
-- Forgets a group of readers, unless it has readers that live.
--
-- KEYS  1 group (hash: p<partition> -> "until fence reader place"; r<reader> -> until)
--       2 groups (zset: "feed/group" by the ms at which it is forgotten)   3 hub record (hash)
-- Gives 1 if it is gone, 0 if there was none, 2 if it has readers (nothing written).
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('UNLINK', 'ZREM')
check(groups, 'zset')
local there = check(group, 'hash')
local fields, now = there and call('HGETALL', group) or {}, now_ms()
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 1) == 'r' and (tonumber(fields[i + 1]) or 0) >= now then return 2 end
end
call('UNLINK', group)
call('ZREM', groups, member)
return there and 1 or 0
