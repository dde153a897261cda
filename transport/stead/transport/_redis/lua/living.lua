#!lua flags=no-writes
-- What is remembered in a hash until a time given in a sorted set: workers, published names.
--
-- KEYS  1 values (hash)   2 until (zset: field by the ms at which it is forgotten)
-- ARGV  none
-- Gives {field, value, ...} of those not yet to be forgotten.
-- Errors: STEADTYPE.
check(KEYS[1], 'hash')
check(KEYS[2], 'zset')
local living = {}
for _, field in ipairs(call('ZRANGEBYSCORE', KEYS[2], text(now_ms()), '+inf')) do
  local value = call('HGET', KEYS[1], field)
  if value then
    living[#living + 1] = field
    living[#living + 1] = value
  end
end
return living
