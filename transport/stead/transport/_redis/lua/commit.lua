#!lua flags=allow-oom
-- Writes the effects of a partition's turns, fenced by the lease token and the commit before, all or nothing.
--
-- KEYS  1 lease (hash)   2 inbox (stream)  3 state (hash)    4 index (zset)   5 timers (zset)
--       6 payloads (hash) 7 parked (hash)  8 blocked (hash)  9 dead (stream)
--       then the parks (zset) of `unparked`, the inboxes (stream) of `sends`, the reply streams (stream) of `replies`,
--       and what `instances` names: tasks, tries and starts (hash) of this partition, starts (hash) of others, logs (list),
--       queues (stream)
-- Gives 1 applied, 2 already applied, 3 fenced (nothing written), 4 torn (nothing written: an earlier commit stopped in
--       the middle).
-- Errors: STEADTYPE (nothing written). Needs no memory check: a commit frees memory (HAZARDS 5).

-- Each call costs more than what it does: a key is checked only if this commit touches it, and this one by reading it.
local held = call('HMGET', lease, 'token', 'commit', 'applying')
local stored = held[2] or ''
if stored == commit_id then return 2 end
if token == '' or held[1] ~= token then return 3 end
if (held[3] or '') ~= stored then return 4 end
if stored ~= previous then return 3 end

if #consumed > 0 then check(inbox, 'stream') end
if #states > 0 or #deleted > 0 then check(state, 'hash') end
if #created > 0 or #deleted > 0 then check(index, 'zset') end
if #new_timers > 0 or #cancelled > 0 then check(timers, 'zset'); check(payloads, 'hash') end
if #unparked > 0 then check(parked, 'hash'); check_number(lease, 'parked') end
if #now_blocked > 0 or #unblocked > 0 then check(blocked, 'hash') end
if #letters > 0 then check(dead, 'stream'); check_number(lease, 'trimmed') end
for _, park in ipairs(unparked) do check(KEYS[park[UNPARKING_PARK]], 'zset') end
for _, send in ipairs(sends) do check(KEYS[send[SEND_INBOX]], 'stream') end
for _, reply in ipairs(replies) do check(KEYS[reply[ANSWERS_STREAM]], 'stream') end
local tasks, tries, starts, reserved, ended, tried = nil, nil, nil, {}, {}, false
if instances ~= 0 then
  local first = instances[INSTANCES_TASKS]
  tasks, tries, starts = KEYS[first], KEYS[first + 1], KEYS[first + 2]
  if #instances[INSTANCES_NEW_TASKS] > 0 or #instances[INSTANCES_DROPPED] > 0 then check(tasks, 'hash') end
  if #instances[INSTANCES_DROPPED] > 0 then tried = check(tries, 'hash') end
  if #instances[INSTANCES_STARTED] > 0 or #instances[INSTANCES_DOUBTFUL] > 0 then check(starts, 'hash') end
  if #instances[INSTANCES_DOUBTFUL] > 0 then check(state, 'hash'); check(index, 'zset') end
  for _, to in ipairs(instances[INSTANCES_LISTED]) do check(KEYS[to[LISTED_INTO]], 'zset') end
  for _, log in ipairs(instances[INSTANCES_LOGS]) do check(KEYS[log[LOGGED_LOG]], 'list') end
  for _, task in ipairs(instances[INSTANCES_NEW_TASKS]) do
    if task[NEW_TASK_QUEUE] > 0 then check(KEYS[task[NEW_TASK_QUEUE]], 'stream') end
  end
  for i, new in ipairs(instances[INSTANCES_RESERVATIONS]) do
    check(KEYS[new[RESERVATION_STARTS]], 'hash')
    local payload = sends[new[RESERVATION_SEND]][SEND_PAYLOADS][new[RESERVATION_PLACE]]
    reserved[i] = id_prefix(new[RESERVATION_MESSAGE_ID]) .. payload
  end
  local started = instances[INSTANCES_STARTED]
  for i = 1, #started, 2 do
    local target, start = started[i], id_prefix(started[i + 1])
    local kept = call('HGET', starts, target)
    if kept and string.sub(kept, 1, #start) == start then ended[#ended + 1] = target end
  end
end
local indexed = {}
for i, target in ipairs(created) do
  indexed[2 * i - 1] = 0
  indexed[2 * i] = target
end
local due, timer_payloads = {}, {}
for i = 1, #new_timers, 3 do
  due[#due + 1] = new_timers[i + 1]
  due[#due + 1] = new_timers[i]
  timer_payloads[#timer_payloads + 1] = new_timers[i]
  timer_payloads[#timer_payloads + 1] = new_timers[i + 2]
end
local parks = {}
for _, park in ipairs(unparked) do
  local ids = {}
  for i, id in ipairs(park[UNPARKING_STREAM_IDS]) do ids[i] = padded(id) end
  parks[#parks + 1] = {key = KEYS[park[UNPARKING_PARK]], target = park[UNPARKING_TARGET], ids = ids}
end

-- Nothing before this line writes, nothing after it may fail.
call('HSET', lease, 'applying', commit_id)
in_pieces('XDEL', inbox, consumed)
local unparked_count = 0
for _, park in ipairs(parks) do
  local key, target, ids = park.key, park.target, park.ids
  for _, id in ipairs(ids) do
    unparked_count = unparked_count + call('ZREMRANGEBYLEX', key, '[' .. id .. ':', '(' .. id .. ';')
  end
  local first = first_parked(key)
  if first then call('HSET', parked, target, first) else call('HDEL', parked, target) end
end
if unparked_count > 0 then call('HINCRBY', lease, 'parked', -unparked_count) end
in_pieces('HDEL', state, deleted)
in_pieces('ZREM', index, deleted)
in_pieces('HSET', state, states)
in_pieces('ZADD', index, indexed)
in_pieces('ZREM', timers, cancelled)
in_pieces('HDEL', payloads, cancelled)
in_pieces('ZADD', timers, due)
in_pieces('HSET', payloads, timer_payloads)
for _, send in ipairs(sends) do
  local key = KEYS[send[SEND_INBOX]]
  for _, payload in ipairs(send[SEND_PAYLOADS]) do call('XADD', key, '*', 'm', payload) end
end
for _, reply in ipairs(replies) do
  local key = KEYS[reply[ANSWERS_STREAM]]
  for _, payload in ipairs(reply[ANSWERS_PAYLOADS]) do call('XADD', key, 'MAXLEN', '~', replies_max, '*', 'm', payload) end
  call('PEXPIRE', key, reply_keep_ms)
end
if #letters > 0 then
  for _, letter in ipairs(letters) do call('XADD', dead, '*', 'm', letter) end
  local trimmed = call('XTRIM', dead, 'MAXLEN', '=', letters_max)
  if trimmed > 0 then call('HINCRBY', lease, 'trimmed', trimmed) end
end
if instances ~= 0 then
  for _, written in ipairs(instances[INSTANCES_LOGS]) do
    local log = KEYS[written[LOGGED_LOG]]
    if written[LOGGED_RESET] == 1 then call('UNLINK', log) end
    in_pieces('RPUSH', log, written[LOGGED_EVENTS])
  end
  in_pieces('HDEL', tasks, instances[INSTANCES_DROPPED])
  if tried then in_pieces('HDEL', tries, instances[INSTANCES_DROPPED]) end
  local kept = {}
  for i, task in ipairs(instances[INSTANCES_NEW_TASKS]) do
    kept[2 * i - 1] = task[NEW_TASK_TASK_ID]
    if task[NEW_TASK_QUEUE] > 0 then
      local queue, task_id = KEYS[task[NEW_TASK_QUEUE]], task[NEW_TASK_TASK_ID]
      local entry = call('XADD', queue, '*', 'p', instances[INSTANCES_PARTITION], 't', task_id)
      kept[2 * i] = 'S' .. entry .. ':' .. task[NEW_TASK_PAYLOAD]
    else
      kept[2 * i] = 'O' .. task[NEW_TASK_PAYLOAD]
    end
  end
  in_pieces('HSET', tasks, kept)
  -- First those that end: a start that this commit sends may come right after the one that it carried out.
  in_pieces('HDEL', starts, ended)
  for i, new in ipairs(instances[INSTANCES_RESERVATIONS]) do
    call('HSETNX', KEYS[new[RESERVATION_STARTS]], new[RESERVATION_TARGET], reserved[i])
  end
  for _, to in ipairs(instances[INSTANCES_LISTED]) do in_pieces('ZADD', KEYS[to[LISTED_INTO]], to[LISTED_MEMBERS]) end
  for _, instance in ipairs(instances[INSTANCES_DOUBTFUL]) do
    if call('HEXISTS', starts, instance) == 1 or call('HEXISTS', state, instance) == 1 then
      call('ZADD', index, 0, instance)
    else
      call('ZREM', index, instance)
    end
  end
end
in_pieces('HDEL', blocked, unblocked)
in_pieces('HSET', blocked, now_blocked)
if suspect_passed == 1 then
  call('HDEL', lease, 'unclean', 'suspect', 'running_target', 'running_id', 'running_tries')
elseif clear_running == 1 then
  call('HDEL', lease, 'running_target', 'running_id', 'running_tries')
end
call('HSET', lease, 'commit', commit_id)
return 1
