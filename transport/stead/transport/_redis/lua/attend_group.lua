#!lua flags=allow-oom
-- A reader attends its group: it gives partitions back, renews and claims others, as far as their fences are as it says.
--
-- KEYS  1 group (hash: p<partition> -> "until fence reader place"; r<reader> -> until)
--       2 groups (zset: "feed/group" by the ms at which it is forgotten)   3 hub record (hash)
-- Gives {0} if there is no such group; else {1, now ms, {field, value, ...}}.
-- Errors: STEADHUB, STEADTYPE (nothing written). Sent again, it does no harm.
check_hub(hub_id)
may('HSET', 'HDEL', 'PEXPIRE', 'ZADD', 'ZREMRANGEBYSCORE')
check(groups, 'zset')
if not check(group, 'hash') then return {0} end
local now = now_ms()
local rows, gone = {}, {}

-- What a partition has once this is written, if it is claimed under this fence. ('-': by nobody.)
local function change(partition, expected, until_ms, fence, who)
  local field = 'p' .. text(partition)
  local found, place = string.match(call('HGET', group, field) or '', '^%d+ (%S+) %S+ (%S+)$')
  if found ~= expected then return end
  rows[#rows + 1] = field
  rows[#rows + 1] = text(until_ms) .. ' ' .. fence .. ' ' .. who .. ' ' .. place
end

for _, own in ipairs(released) do
  if own[CLAIM_HELD_FENCE] ~= '-' then change(own[CLAIM_HELD_PARTITION], own[CLAIM_HELD_FENCE], 0, '-', '-') end
end
for _, own in ipairs(renewed) do
  if own[CLAIM_HELD_FENCE] ~= '-' then
    change(own[CLAIM_HELD_PARTITION], own[CLAIM_HELD_FENCE], now + claim_ms, own[CLAIM_HELD_FENCE], reader)
  end
end
for _, new in ipairs(claimed) do
  change(new[CLAIMING_PARTITION], new[CLAIMING_EXPECTED], now + claim_ms, new[CLAIMING_DRAWN], reader)
end
local fields = call('HGETALL', group)
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 1) == 'r' and (tonumber(fields[i + 1]) or 0) < now then gone[#gone + 1] = fields[i] end
end
if reader_ms > 0 then
  rows[#rows + 1] = 'r' .. reader
  rows[#rows + 1] = text(now + reader_ms)
else
  gone[#gone + 1] = 'r' .. reader
end

in_pieces('HDEL', group, gone)
in_pieces('HSET', group, rows)
call('PEXPIRE', group, keep_ms)
call('ZREMRANGEBYSCORE', groups, '-inf', '(' .. text(now))
call('ZADD', groups, text(now + keep_ms), member)
return {1, text(now), call('HGETALL', group)}
