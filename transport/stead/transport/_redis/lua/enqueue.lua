#!lua
-- Puts batches of messages into inboxes, each once however often it is sent, if there is room. Each is a step by itself
-- (HAZARDS 40): what becomes of one is nothing to the others. A call has one batch at most of a partition and session.
--
-- KEYS  of each batch its inbox (stream), session (string "incarnation:last:refused", with a time to live) and lease (hash);
--       with starts or recipients: its starts (hash) and state (hash); with starts: its index (zset);   last the hub record (hash)
-- Gives for each {verdict, detail}: 0 accepted; 1 duplicate, the last number; 2 gap, the last number; 3 backlog, its length;
--       4 superseded, the incarnation. The first two with a third: the places of those that were refused, "3,7": of starts
--       whose IDs are taken, and of messages whose recipient is not there, or is finished (HAZARDS 14). What is refused is not
--       put into the inbox, but its number counts.
--       Or the text of an error: what is wrong with a key of its (nothing of it written).
-- Errors: OOM (nothing written: the server is full, this is the one script that it may refuse), STEADHUB.
--
-- Batches of messages that free memory go through a second script, which has all of this and a first line of its own:
-- `flags=allow-oom` (`scripts.py`). Both write the same session, so a sender's batches of both sorts are one chain.
check_hub(hub_id)
may('XADD', 'SET')

-- Sequence numbers may be larger than 2^53, so they are compared as text.
local function below(a, b)
  if a == b then return false end
  if a == '-1' then return true end
  if b == '-1' then return false end
  if #a ~= #b then return #a < #b end
  return a < b
end

-- What is wrong with the keys of a batch. They are asked only if a read has failed, which says that something is, not what.
local function look(batch)
  local first = batch[ENQUEUED_INBOX]
  check(KEYS[first], 'stream')
  check(KEYS[first + 1], 'string')
  check(KEYS[first + 2], 'hash')
  if batch[ENQUEUED_RECEIVING] ~= 0 then
    check(KEYS[first + 3], 'hash')
    check(KEYS[first + 4], 'hash')
  end
end

local function look_at_instances(starts)
  may('HSET', 'ZADD')
  check(KEYS[starts], 'hash')
  check(KEYS[starts + 1], 'hash')
  check(KEYS[starts + 2], 'zset')
end

local function not_a_number(lease)
  check_number(lease, 'parked')
end

-- A record begins with its status: completed, failed, cancelled and terminated ones are finished, and running, continued, pending
-- and suspended ones are not. What begins otherwise is neither.
local function is_finished(instance)
  local status = string.byte(instance)
  return status == 1 or status == 3 or status == 4 or status == 5
end

local function is_unfinished(instance)
  local status = string.byte(instance)
  return status == 0 or status == 2 or status == 6 or status == 7
end

-- Of a batch with starts or recipients: some of it may be refused, and all that is read is read before anything is written.
local function put_judged(batch)
  local first, payloads, last = batch[ENQUEUED_INBOX], batch[ENQUEUED_PAYLOADS], batch[ENQUEUED_LAST]
  local inbox, session, starts, state = KEYS[first], KEYS[first + 1], KEYS[first + 3], KEYS[first + 4]
  local refused, is_refused, reserved, reserved_at, goes_on = {}, {}, {}, {}, {}
  local function refuse(place)
    refused[#refused + 1] = text(place)
    is_refused[place] = true
  end
  for _, start in ipairs(batch[ENQUEUED_STARTING] ~= 0 and batch[ENQUEUED_STARTING] or {}) do
    local place, target, reuse = start[STARTING_PLACE], start[STARTING_TARGET], start[STARTING_REUSE]
    local prefix = id_prefix(start[STARTING_MESSAGE_ID])
    local free = reuse == 2
    if not free and not reserved[target] and call('HEXISTS', starts, target) == 0 then
      local instance = call('HGET', state, target)
      free = not instance or (reuse == 0 and is_finished(instance))
    end
    if free then
      reserved[target] = prefix .. payloads[place]
      reserved_at[target] = reserved_at[target] or place
    else
      refuse(place)
    end
  end
  for _, message in ipairs(batch[ENQUEUED_RECEIVING] ~= 0 and batch[ENQUEUED_RECEIVING] or {}) do
    local place, target = message[RECEIVING_PLACE], message[RECEIVING_TARGET]
    if goes_on[target] == nil then
      local instance = call('HGET', state, target)
      goes_on[target] = instance and is_unfinished(instance) or call('HEXISTS', starts, target) == 1
    end
    -- What a start before it in this batch has reserved is there as well.
    if not goes_on[target] and not (reserved_at[target] and reserved_at[target] < place) then refuse(place) end
  end
  for i = 1, #payloads do
    if not is_refused[i] then call('XADD', inbox, '*', 'm', payloads[i]) end
  end
  for target, reservation in pairs(reserved) do
    call('HSET', starts, target, reservation)
    call('ZADD', KEYS[first + 5], 0, target)
  end
  local places = table.concat(refused, ',')
  call('SET', session, batch[ENQUEUED_INCARNATION] .. ':' .. last .. ':' .. places, 'PX', batch[ENQUEUED_KEEP_MS])
  return {0, last, places}
end

local function put(batch)
  local first, payloads, incarnation = batch[ENQUEUED_INBOX], batch[ENQUEUED_PAYLOADS], batch[ENQUEUED_INCARNATION]
  local inbox, session, lease = KEYS[first], KEYS[first + 1], KEYS[first + 2]
  local last, keep_ms = batch[ENQUEUED_LAST], batch[ENQUEUED_KEEP_MS]
  -- All three are read whatever comes of it: a key of another type is found here.
  local waiting, held, record = call('XLEN', inbox), call('HGET', lease, 'parked'), call('GET', session)
  local parked = tonumber(held or 0) or not_a_number(lease)
  if batch[ENQUEUED_STARTING] ~= 0 then look_at_instances(first + 3) end
  local known_incarnation, known, refused_then = '0', '-1', ''
  if record then
    known_incarnation, known, refused_then = string.match(record, '^(%d+):(-?%d+):?(.*)$')
    if not known then error(redis.error_reply('STEADTYPE ' .. session .. ' is no record of a session')) end
  end
  if below(incarnation, known_incarnation) then return {4, known_incarnation} end
  if record and not below(known, last) then
    call('PEXPIRE', session, keep_ms)
    -- What was refused is remembered of the last batch alone: no other one is sent again by who needs to know.
    return {1, known, known == last and refused_then or ''}
  end
  -- What the store does not know begins after -1. A record that an older producer of the source left is as good as ours if
  -- the number is: the server has lost that we opened the source, and nothing that we sent.
  if known ~= batch[ENQUEUED_PREVIOUS] then return {2, known} end
  waiting = waiting + parked
  if waiting + #payloads > batch[ENQUEUED_BACKLOG_MAX] then return {3, text(waiting)} end
  if batch[ENQUEUED_STARTING] ~= 0 or batch[ENQUEUED_RECEIVING] ~= 0 then return put_judged(batch) end
  for i = 1, #payloads do call('XADD', inbox, '*', 'm', payloads[i]) end
  call('SET', session, incarnation .. ':' .. last, 'PX', keep_ms)
  return {0, last}
end

local answers = {}
for i, batch in ipairs(batches) do
  local done, answer = pcall(put, batch)
  if not done then
    local sound, found = pcall(look, batch)
    answer = reason(sound and answer or found)
  end
  answers[i] = answer
end
return answers
