#!lua flags=allow-oom
-- Raises the numbers of shards of kinds in the hub's record, and gives all that it has. None is ever lowered (HAZARDS 111).
--
-- KEYS  1 shards (hash: shards:KIND -> "total before from-ms first"), which is the hub record   2 hub record (hash)
-- Gives {{field, value, ...} of the record}.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('HSET')
check(shards, 'hash')
local now = now_ms()
local raised = {}
for _, row in ipairs(wanted) do
  local field, count = 'shards:' .. row[SHARDS_WANTED_KIND], row[SHARDS_WANTED_TOTAL]
  local found = call('HGET', shards, field)
  local values
  if found then
    local had, before, from_ms, first = string.match(found, '^(%d+) (%d+) (%d+) (%d+)$')
    if not had then error(redis.error_reply('STEADTYPE ' .. shards .. ' has no number of shards in its field ' .. field)) end
    if count > tonumber(had) then
      if now >= tonumber(from_ms) then before = had end
      values = {text(count), before, text(now + settle_ms), first}
    end
  elseif row[SHARDS_WANTED_KNOWN] == 1 then
    values = {text(count), '1', text(now + settle_ms), '1'}
  else
    values = {text(count), text(count), '0', text(count)}
  end
  if values then
    raised[#raised + 1] = field
    raised[#raised + 1] = table.concat(values, ' ')
  end
end
in_pieces('HSET', shards, raised)
return {call('HGETALL', shards)}
