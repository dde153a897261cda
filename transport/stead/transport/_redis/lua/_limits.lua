-- Put after `_queues.lua` in scripts that deal with limits of activities (docs/decisions/0031-limits-over-the-hub.md).
--
-- What a queue holds besides its stream, in the order in which its keys are given:
--   limits   hash: "n" activity -> its numbers, "most:interval:tolerance" (0: none; microseconds), as declared last;
--            "w" entry and "t" entry -> its members of `limited`, of each that waits behind a limit
--   limited  sorted set, all with score 0:   "r" limit NUL entry: runs;   "w" limit NUL rank turn entry: waits, the next one first;
--            "t" limit NUL rank instance NUL turn entry: the same by instance
--   due      sorted set: limit by the microsecond at which its next one may begin, of those where one waits for that
--   rates    sorted set: limit by the microsecond from which on its rate allows one more
-- An entry with a limit has the fields l (the limit: activity, and behind : its key), q (numbers), i (instance), r (rank of its
-- priority) and, if it was given back, f. One with the field b alone is a bell: that limit may have room.

-- The first task that waits behind a limit, or nil.
local function first_waiting(limited, limit)
  return call('ZRANGEBYLEX', limited, '[w' .. limit .. '\0', '(w' .. limit .. '\1', 'LIMIT', 0, 1)[1]
end

-- Has whoever takes from the queue next look at a limit. All who wait for the queue wake.
local function ring(queue, limit)
  call('XADD', queue, '*', 'b', limit)
end

-- A task runs no more, or is no longer to: its place goes to the next one. Gives whether it had one.
local function leave_limit(queue, limited, limit, entry)
  if call('ZREM', limited, 'r' .. limit .. '\0' .. entry) == 0 then return false end
  if first_waiting(limited, limit) then ring(queue, limit) end
  return true
end

-- Takes a task out of those that wait; whether it was among them.
local function pull(limits, limited, entry)
  local waits = call('HMGET', limits, 'w' .. entry, 't' .. entry)
  if not waits[1] then return false end
  call('ZREM', limited, waits[1], waits[2] or '')
  call('HDEL', limits, 'w' .. entry, 't' .. entry)
  return true
end

-- The fields of an entry by their names.
local function named(fields)
  local found = {}
  for i = 1, #fields, 2 do found[fields[i]] = fields[i + 1] end
  return found
end

-- An activity's numbers: as declared, else as the task says that was scheduled by who knew them. Whatever else is there allows
-- one at a time.
local function numbers_of(limits, limit, own)
  local numbers = call('HGET', limits, 'n' .. string.match(limit, '^[^:]*')) or own or ''
  local most, interval, tolerance = string.match(numbers, '^(%d+):(%d+):(%d+)$')
  return tonumber(most or 1), tonumber(interval or 0), tonumber(tolerance or 0)
end
