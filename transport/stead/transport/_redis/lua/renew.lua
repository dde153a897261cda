#!lua flags=allow-oom
-- Prolongs leases that are still held with the given tokens.
--
-- KEYS  leases (hash) of partitions of one slot group
-- Gives the places in KEYS, from 1, of the leases that are another's.
-- Errors: STEADTYPE (nothing written).
for _, lease in ipairs(KEYS) do check(lease, 'hash') end
local expires = text(now_ms() + lease_ms)
local lost = {}
for i, lease in ipairs(KEYS) do
  if is_held(lease, tokens[i]) then
    call('HSET', lease, 'expires', expires)
  else
    lost[#lost + 1] = i
  end
end
return lost
