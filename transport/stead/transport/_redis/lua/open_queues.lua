#!lua flags=allow-oom
-- Gets queues ready to be taken from, and forgets the workers that have long left them.
--
-- KEYS  the queues (stream), then the hub record (hash)
-- Gives how many workers were forgotten.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
for _, queue in ipairs(KEYS) do check(queue, 'stream') end

local forgotten = 0
for _, queue in ipairs(KEYS) do
  open_queue(queue)
  for _, consumer in ipairs(call('XINFO', 'CONSUMERS', queue, 'workers')) do
    local facts = {}
    for i = 1, #consumer, 2 do facts[consumer[i]] = consumer[i + 1] end
    -- What it has taken would be forgotten with it, so it must have nothing.
    if facts.pending == 0 and facts.idle > tonumber(forget_ms) then
      call('XGROUP', 'DELCONSUMER', queue, 'workers', facts.name)
      forgotten = forgotten + 1
    end
  end
end
return forgotten
