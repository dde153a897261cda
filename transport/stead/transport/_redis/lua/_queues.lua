-- Put after the prelude of every script that deals with queues of tasks.

-- The facts of a queue's one consumer group, or nil if it has none.
local function group_of(queue)
  if call('EXISTS', queue) == 0 then return nil end
  local group = call('XINFO', 'GROUPS', queue)[1]
  if not group then return nil end
  local facts = {}
  for i = 1, #group, 2 do facts[group[i]] = group[i + 1] end
  return facts
end

-- Makes a queue's consumer group if there is none: it delivers everything that is in the queue.
local function open_queue(queue)
  if not group_of(queue) then call('XGROUP', 'CREATE', queue, 'workers', '0', 'MKSTREAM') end
end

-- The worker that has taken an entry of a queue, and how often it was taken; nil if nobody has.
local function taker(queue, entry)
  local pending = call('XPENDING', queue, 'workers', entry, entry, 1)[1]
  if pending then return pending[2], pending[4] end
end

-- Where a shared task is in its queue, from what the tasks hash holds of it; nil if it is not (or no longer) shared.
local function entry_of(kept)
  return kept and string.match(kept, '^S([^:]*):')
end
