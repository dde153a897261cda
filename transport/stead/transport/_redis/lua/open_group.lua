#!lua flags=allow-oom
-- Makes a group of readers, unless there is one.
--
-- KEYS  1 group (hash: p<partition> -> "until fence reader place"; r<reader> -> until)
--       2 groups (zset: "feed/group" by the ms at which it is forgotten)   3 hub record (hash)
-- Gives 1 if it was made, else 0.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('HSET', 'PEXPIRE', 'ZADD')
check(groups, 'zset')
if check(group, 'hash') then return 0 end
local rows = {}
for i, place in ipairs(places) do
  rows[2 * i - 1] = 'p' .. text(i - 1)
  rows[2 * i] = '0 - - ' .. place
end
in_pieces('HSET', group, rows)
call('PEXPIRE', group, keep_ms)
call('ZADD', groups, text(now_ms() + keep_ms), member)
return 1
