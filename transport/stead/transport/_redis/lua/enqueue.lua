#!lua
-- Puts a batch of messages into an inbox, once however often it is sent, if there is room.
--
-- KEYS  1 inbox (stream)   2 session (string "incarnation:last:refused", with a time to live)   3 lease (hash)
--       and with starts: 4 starts (hash)   5 state (hash)   6 index (zset);   last the hub record (hash)
-- Gives {verdict, detail}: 0 accepted; 1 duplicate, the last number; 2 gap, the last number; 3 backlog, its length;
--       4 superseded, the incarnation. The first two with a third: the places of starts that were refused because their
--       IDs are taken, "3,7" (HAZARDS 14). A refused start is not put into the inbox, but its number counts.
-- Errors: OOM (nothing written: the server is full, this is the one script that it may refuse), STEADHUB,
--       STEADTYPE (nothing written).
--
-- Batches of messages that free memory go through a second script, which has all of this and a first line of its own:
-- `flags=allow-oom` (`scripts.py`). Both write the same session, so a sender's batches of both sorts are one chain.
check_hub(hub_id)

-- Sequence numbers may be larger than 2^53, so they are compared as text.
local function below(a, b)
  if a == b then return false end
  if a == '-1' then return true end
  if b == '-1' then return false end
  if #a ~= #b then return #a < #b end
  return a < b
end

check(inbox, 'stream')
check(session, 'string')
check(lease, 'hash')
if starting ~= 0 then
  check(starts, 'hash')
  check(state, 'hash')
  check(index, 'zset')
end
local record = call('GET', session)
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
if known ~= previous then return {2, known} end
local parked = tonumber(call('HGET', lease, 'parked') or 0)
if not parked then check_number(lease, 'parked') end
local waiting = call('XLEN', inbox) + parked
if waiting + #payloads > backlog_max then return {3, text(waiting)} end

if starting == 0 then
  for i = 1, #payloads do call('XADD', inbox, '*', 'm', payloads[i]) end
  call('SET', session, incarnation .. ':' .. last, 'PX', keep_ms)
  return {0, last}
end
local refused, reserved, is_refused = {}, {}, {}
for _, start in ipairs(starting) do
  local place, target, reuse = start[STARTING_PLACE], start[STARTING_TARGET], start[STARTING_REUSE]
  local prefix = id_prefix(start[STARTING_MESSAGE_ID])
  local free = reuse == 2
  if not free and not reserved[target] and call('HEXISTS', starts, target) == 0 then
    local instance = call('HGET', state, target)
    -- A record begins with its status: completed, failed, cancelled and terminated ones are finished.
    local status = instance and string.byte(instance) or nil
    free = not instance or (reuse == 0 and (status == 1 or status == 3 or status == 4 or status == 5))
  end
  if free then
    reserved[target] = prefix .. payloads[place]
  else
    refused[#refused + 1] = text(place)
    is_refused[place] = true
  end
end

for i = 1, #payloads do
  if not is_refused[i] then call('XADD', inbox, '*', 'm', payloads[i]) end
end
for target, reservation in pairs(reserved) do
  call('HSET', starts, target, reservation)
  call('ZADD', index, 0, target)
end
local places = table.concat(refused, ',')
call('SET', session, incarnation .. ':' .. last .. ':' .. places, 'PX', keep_ms)
return {0, last, places}
