#!lua flags=allow-oom
-- Prolongs leases that are still held with the given tokens.
--
-- KEYS  leases (hash) of partitions of one slot group
-- ARGV  1 packed: 1 lease ms, 2 tokens, one a key
-- Gives the places in KEYS, from 1, of the leases that are another's.
-- Errors: STEADTYPE (nothing written).
local a = cmsgpack.unpack(ARGV[1])
local tokens = a[2]
for _, lease in ipairs(KEYS) do check(lease, 'hash') end
local expires = text(now_ms() + a[1])
local lost = {}
for i, lease in ipairs(KEYS) do
  if tokens[i] ~= '' and call('HGET', lease, 'token') == tokens[i] then
    call('HSET', lease, 'expires', expires)
  else
    lost[#lost + 1] = i
  end
end
return lost
