#!lua flags=no-writes
-- What runs and waits behind limits, for people.
--
-- KEYS  of each queue: limited and due (zset)
-- Gives {{which queue, limit, how many run, how many wait, the microsecond at which the next one may begin, or ""}, ...}, for so
-- many limits of each queue, those behind which something waits first.
-- Errors: STEADTYPE.
for _, key in ipairs(KEYS) do check(key, 'zset') end

local found = {}
for place = 1, #KEYS, 2 do
  local limited, due, seen, left = KEYS[place], KEYS[place + 1], {}, tonumber(most)
  for _, kind in ipairs({'w', 'r'}) do
    local from = '[' .. kind
    while left > 0 do
      local member = call('ZRANGEBYLEX', limited, from, '(' .. string.char(string.byte(kind) + 1), 'LIMIT', 0, 1)[1]
      local limit = member and string.match(member, '^.([^%z]*)%z')
      if not limit then break end
      if not seen[limit] then
        seen[limit], left = true, left - 1
        local row = {(place + 1) / 2, limit}
        for _, of in ipairs({'r', 'w'}) do
          row[#row + 1] = call('ZLEXCOUNT', limited, '[' .. of .. limit .. '\0', '(' .. of .. limit .. '\1')
        end
        row[5] = call('ZSCORE', due, limit) or ''
        found[#found + 1] = row
      end
      from = '[' .. kind .. limit .. '\1'
    end
  end
end
return found
