#!lua flags=allow-oom
-- Takes tasks from queues, those of the first queue first. Does not wait: an answer with nothing says from where to wait, and
-- for how long. What is over its limit is set aside, and taken when a bell or the time says so (see `_limits.lua`).
--
-- KEYS  of each queue: queue (stream), limits (hash), limited, due and rates (zset);   then the hub record (hash)
-- Gives {{which queue, entry, partition, task ID, deliveries, limit or ""}, ...}, {the last entry delivered of each queue, ...},
--       ms until there may be more although nothing comes, or -1.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('XCLAIM', 'XADD', 'XDEL', 'ZADD', 'ZREM', 'ZSCORE', 'ZREMRANGEBYSCORE', 'HSET', 'HDEL')
for first = 1, #KEYS, 5 do
  check(KEYS[first], 'stream')
  check(KEYS[first + 1], 'hash')
  for i = 2, 4 do check(KEYS[first + i], 'zset') end
end

local left, looks, more = limit, 500, false
local taken, delivered, wait_us = {}, {}, -1
local now_us = call('TIME')
now_us = now_us[1] * 1000000 + now_us[2]
local queue, limits, limited, due, rates, place

local function deliver(id, partition, task_id, before, behind)
  local deliveries = 1 + (tonumber(before or 0) or 0)
  call('XCLAIM', queue, 'workers', worker, 0, id, 'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID')
  taken[#taken + 1] = {place, id, partition, task_id or '', deliveries, behind or ''}
  left = left - 1
end

-- Whether one more of a limit may begin now, and from when on the one after it, or nil. If its rate is against it, it is due
-- later; if as many run as may, whichever ends first rings.
local function room(behind, own)
  local most, interval, tolerance = numbers_of(limits, behind, own)
  if most > 0 and call('ZLEXCOUNT', limited, '[r' .. behind .. '\0', '(r' .. behind .. '\1') >= most then
    call('ZREM', due, behind)
    return false
  end
  if interval == 0 then return true end
  -- No more than this can be, unless the clock was set back or the numbers are others now.
  local next_us = math.min(tonumber(call('ZSCORE', rates, behind) or 0), now_us + interval + tolerance)
  if next_us - tolerance > now_us then
    call('ZADD', due, text(next_us - tolerance), behind)
    return false
  end
  return true, math.max(next_us, now_us) + interval
end

local function begin(behind, next_us, id, fields)
  if next_us then
    call('ZREMRANGEBYSCORE', rates, '-inf', '(' .. text(now_us))  -- of those one more may begin at once
    call('ZADD', rates, text(next_us), behind)
  end
  call('ZADD', limited, 0, 'r' .. behind .. '\0' .. id)
  deliver(id, fields.p, fields.t, fields.n, behind)
end

-- Takes what waits behind a limit, as far as it may begin.
local function admit(behind)
  while true do
    local member = first_waiting(limited, behind)
    if not member then
      call('ZREM', due, behind)
      return
    end
    local ms, seq = string.match(string.sub(member, -25), '^0*(%d+)%-0*(%d+)$')
    local id = ms and ms .. '-' .. seq or '0-1'
    local found = call('XRANGE', queue, id, id)[1]
    if not found then
      if not pull(limits, limited, id) then call('ZREM', limited, member) end
    else
      local fields = named(found[2])
      local free, next_us = room(behind, fields.q)
      if not free then return end
      if left == 0 then
        ring(queue, behind)
        return
      end
      if not pull(limits, limited, id) then call('ZREM', limited, member) end
      begin(behind, next_us, id, fields)
    end
  end
end

-- Lets a task wait: the instances of one priority take turns, and whoever comes now has no turn in the round that is on.
local function set_aside(behind, id, fields)
  if call('HEXISTS', limits, 'w' .. id) == 1 then return end
  local class = behind .. '\0' .. (string.match(fields.r or '', '^%d%d%d%d$') or '1000')
  local own = class .. (fields.i or '') .. '\0'
  local head = call('ZRANGEBYLEX', limited, '[w' .. class, '(w' .. class .. ':', 'LIMIT', 0, 1)[1]
  local last = call('ZREVRANGEBYLEX', limited, '(t' .. own .. ':', '[t' .. own, 'LIMIT', 0, 1)[1]
  local round = head and tonumber(string.sub(head, -37, -26))
  local turn = math.max(round and round + 1 or 1, last and tonumber(string.sub(last, -37, -26)) + 1 or 1)
  if fields.f then turn = math.max(round and round - 1 or 0, 0) end
  local tail = string.format('%012.0f', turn) .. padded(id)
  call('HSET', limits, 'w' .. id, 'w' .. class .. tail, 't' .. id, 't' .. own .. tail)
  call('ZADD', limited, 0, 'w' .. class .. tail, 0, 't' .. own .. tail)
  looks = looks - 1
end

-- Not XREADGROUP: it would take from their workers the entries that were taken when they came (see `share_tasks`).
for first = 1, #KEYS, 5 do
  queue, limits, limited, due, rates = unpack(KEYS, first, first + 4)
  place = (first + 4) / 5
  open_queue(queue)
  local soonest = call('ZRANGE', due, 0, 0, 'WITHSCORES')
  local soonest_us, at = tonumber(soonest[2]), soonest
  while at[1] and left > 0 do
    admit(at[1])
    local then_at = call('ZRANGE', due, 0, 0, 'WITHSCORES')
    if then_at[1] == at[1] or not then_at[1] or tonumber(then_at[2]) > now_us then break end
    at = then_at
  end
  local last = group_of(queue)['last-delivered-id']
  local before = last
  while left > 0 and not more do
    local entries = call('XRANGE', queue, '(' .. last, '+', 'COUNT', left)
    if #entries == 0 then break end
    for _, entry in ipairs(entries) do
      more = looks <= 0
      if left == 0 or more then break end
      last = entry[1]
      local fields = entry[2]
      if fields[1] == 'b' then
        call('XDEL', queue, last)
        admit(fields[2])
      elseif fields[5] == 'l' then
        local behind, all = fields[6], named(fields)
        local free, next_us = not first_waiting(limited, behind), nil
        if free then free, next_us = room(behind, all.q) end
        if free then begin(behind, next_us, last, all) else set_aside(behind, last, all) end
      elseif not (fields[5] == 'w' and taker(queue, last)) then
        -- One that was given back says how often it was taken before (see `give_back_tasks`).
        deliver(last, fields[2], fields[4], fields[5] == 'n' and fields[6])
      end
    end
  end
  if last ~= before then call('XGROUP', 'SETID', queue, 'workers', last) end
  delivered[place] = last
  local after = call('ZRANGE', due, 0, 0, 'WITHSCORES')
  local after_us = tonumber(after[2])
  if after_us then
    -- Those who wait already do not know of it: they wake, and wait no longer than until then.
    if not soonest_us or after_us < soonest_us then ring(queue, after[1]) end
    local until_us = math.max(0, after_us - now_us)
    wait_us = wait_us < 0 and until_us or math.min(wait_us, until_us)
  end
end
return {taken, delivered, more and 0 or wait_us < 0 and -1 or math.ceil(wait_us / 1000)}
