#!lua flags=allow-oom
-- Moves the place of a partition in a group of readers: forwards, or with `back` to wherever it is said to be.
--
-- KEYS  1 group (hash: p<partition> -> "until fence reader place")   2 hub record (hash)
-- Gives 1; 0 if the partition is not claimed under that fence (nothing written).
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('HSET')
check(group, 'hash')
local field = 'p' .. text(partition)
local head, found, old = string.match(call('HGET', group, field) or '', '^(%d+ (%S+) %S+ )(%S+)$')
if found ~= fence or fence == '-' then return 0 end
local function order(at)
  local first, second = string.match(at, '^(%d+)%.(%d+)')
  return tonumber(first or 0), tonumber(second or 0)
end
local old_first, old_second = order(old)
local first, second = order(place)
if back == 1 or first > old_first or (first == old_first and second > old_second) then
  call('HSET', group, field, head .. place)
end
return 1
