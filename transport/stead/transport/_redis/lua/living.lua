#!lua flags=no-writes
-- What is remembered in a hash until a time given in a sorted set: workers, published names.
--
-- KEYS  1 values (hash)   2 until_ms (zset: field by the ms at which it is forgotten)
-- Gives {field, value, ...} of those not yet to be forgotten.
-- Errors: STEADTYPE.
check(values, 'hash')
check(until_ms, 'zset')
local living = {}
for _, field in ipairs(call('ZRANGEBYSCORE', until_ms, text(now_ms()), '+inf')) do
  local value = call('HGET', values, field)
  if value then
    living[#living + 1] = field
    living[#living + 1] = value
  end
end
return living
