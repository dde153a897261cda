#!lua flags=allow-oom
-- Writes the effects of a partition's turns, fenced by the lease token and the commit before, all or nothing.
--
-- KEYS  1 lease (hash)   2 inbox (stream)  3 state (hash)    4 index (zset)   5 timers (zset)
--       6 payloads (hash) 7 parked (hash)  8 blocked (hash)  9 dead (stream)
--       then the parks (zset) of ARGV 12, the inboxes (stream) of ARGV 9, the reply streams (stream) of ARGV 10,
--       and what ARGV 21 names: tasks, tries and starts (hash) of this partition, starts (hash) of others, logs (list),
--       queues (stream)
-- ARGV  1 packed: 1 token, 2 previous commit ID, 3 commit ID,
--       4 consumed: stream IDs, 5 states: target, record, ...   6 created: targets   7 deleted: targets
--       8 timers: timer ID, due ms, payload, ...   9 sends: {index in KEYS, {payload, ...}}, ...
--       10 replies: {index in KEYS, {payload, ...}}, ...   11 dead: letters
--       12 unparked: {index in KEYS, target, {stream ID, ...}}, ...   13 blocked: target, reason, ...
--       14 unblocked: targets   15 cancelled: timer IDs   16 suspect passed: 0 or 1   17 clear running: 0 or 1
--       18 dead letters kept   19 reply keep ms   20 replies kept
--       21 what instances do, or 0:
--          1 index in KEYS of tasks; tries and starts follow it   2 logs: {index in KEYS, reset: 0 or 1, {event, ...}}, ...
--          3 tasks: {task ID, index in KEYS of the queue or 0, payload}, ...   4 dropped: task IDs
--          5 reservations: {index in KEYS, target, message ID, place in ARGV 9, place in its payloads}, ...
--          6 started: target, message ID, ...   7 this partition's number
--          8 listed: {index in KEYS of another index (zset), {0, instance, ...}}, ...
--          9 doubtful: instances of this partition, listed as long as they have a record or a reservation
-- Gives 1 applied, 2 already applied, 3 fenced (nothing written), 4 torn (nothing written: an earlier commit stopped in
--       the middle).
-- Errors: STEADTYPE (nothing written). Needs no memory check: a commit frees memory (HAZARDS 5).
local c = cmsgpack.unpack(ARGV[1])
local token, previous, commit_id = c[1], c[2], c[3]
local consumed, states, created, deleted, timers = c[4], c[5], c[6], c[7], c[8]
local sends, replies, dead, unparked = c[9], c[10], c[11], c[12]
local blocked, unblocked, cancelled = c[13], c[14], c[15]
local more = c[21]
local lease, inbox = KEYS[1], KEYS[2]

-- Each call costs more than what it does: a key is checked only if this commit touches it, and this one by reading it.
local held = call('HMGET', lease, 'token', 'commit', 'applying')
local stored = held[2] or ''
if stored == commit_id then return 2 end
if token == '' or held[1] ~= token then return 3 end
if (held[3] or '') ~= stored then return 4 end
if stored ~= previous then return 3 end

if #consumed > 0 then check(inbox, 'stream') end
if #states > 0 or #deleted > 0 then check(KEYS[3], 'hash') end
if #created > 0 or #deleted > 0 then check(KEYS[4], 'zset') end
if #timers > 0 or #cancelled > 0 then check(KEYS[5], 'zset'); check(KEYS[6], 'hash') end
if #unparked > 0 then check(KEYS[7], 'hash'); check_number(lease, 'parked') end
if #blocked > 0 or #unblocked > 0 then check(KEYS[8], 'hash') end
if #dead > 0 then check(KEYS[9], 'stream'); check_number(lease, 'trimmed') end
for _, park in ipairs(unparked) do check(KEYS[park[1]], 'zset') end
for _, send in ipairs(sends) do check(KEYS[send[1]], 'stream') end
for _, reply in ipairs(replies) do check(KEYS[reply[1]], 'stream') end
local tasks, tries, starts, ended, tried = nil, nil, nil, {}, false
if more ~= 0 then
  tasks, tries, starts = KEYS[more[1]], KEYS[more[1] + 1], KEYS[more[1] + 2]
  if #more[3] > 0 or #more[4] > 0 then check(tasks, 'hash') end
  if #more[4] > 0 then tried = check(tries, 'hash') end
  if #more[6] > 0 or #more[9] > 0 then check(starts, 'hash') end
  if #more[9] > 0 then check(KEYS[3], 'hash'); check(KEYS[4], 'zset') end
  for _, to in ipairs(more[8]) do check(KEYS[to[1]], 'zset') end
  for _, log in ipairs(more[2]) do check(KEYS[log[1]], 'list') end
  for _, task in ipairs(more[3]) do
    if task[2] > 0 then check(KEYS[task[2]], 'stream') end
  end
  for _, new in ipairs(more[5]) do
    check(KEYS[new[1]], 'hash')
    new[3] = id_prefix(new[3]) .. sends[new[4]][2][new[5]]
  end
  for i = 1, #more[6], 2 do
    local start, reserved = id_prefix(more[6][i + 1]), call('HGET', starts, more[6][i])
    if reserved and string.sub(reserved, 1, #start) == start then ended[#ended + 1] = more[6][i] end
  end
end
local indexed = {}
for i, target in ipairs(created) do
  indexed[2 * i - 1] = 0
  indexed[2 * i] = target
end
local due, payloads = {}, {}
for i = 1, #timers, 3 do
  due[#due + 1] = timers[i + 1]
  due[#due + 1] = timers[i]
  payloads[#payloads + 1] = timers[i]
  payloads[#payloads + 1] = timers[i + 2]
end
local parks = {}
for _, park in ipairs(unparked) do
  local ids = {}
  for i, id in ipairs(park[3]) do ids[i] = padded(id) end
  parks[#parks + 1] = {KEYS[park[1]], park[2], ids}
end

-- Nothing before this line writes, nothing after it may fail.
call('HSET', lease, 'applying', commit_id)
in_pieces('XDEL', inbox, consumed)
local unparked_count = 0
for _, park in ipairs(parks) do
  local key, target, ids = park[1], park[2], park[3]
  for _, id in ipairs(ids) do
    unparked_count = unparked_count + call('ZREMRANGEBYLEX', key, '[' .. id .. ':', '(' .. id .. ';')
  end
  local first = first_parked(key)
  if first then call('HSET', KEYS[7], target, first) else call('HDEL', KEYS[7], target) end
end
if unparked_count > 0 then call('HINCRBY', lease, 'parked', -unparked_count) end
in_pieces('HDEL', KEYS[3], deleted)
in_pieces('ZREM', KEYS[4], deleted)
in_pieces('HSET', KEYS[3], states)
in_pieces('ZADD', KEYS[4], indexed)
in_pieces('ZREM', KEYS[5], cancelled)
in_pieces('HDEL', KEYS[6], cancelled)
in_pieces('ZADD', KEYS[5], due)
in_pieces('HSET', KEYS[6], payloads)
for _, send in ipairs(sends) do
  local key = KEYS[send[1]]
  for _, payload in ipairs(send[2]) do call('XADD', key, '*', 'm', payload) end
end
for _, reply in ipairs(replies) do
  local key = KEYS[reply[1]]
  for _, payload in ipairs(reply[2]) do call('XADD', key, 'MAXLEN', '~', c[20], '*', 'm', payload) end
  call('PEXPIRE', key, c[19])
end
if #dead > 0 then
  for _, letter in ipairs(dead) do call('XADD', KEYS[9], '*', 'm', letter) end
  local trimmed = call('XTRIM', KEYS[9], 'MAXLEN', '=', c[18])
  if trimmed > 0 then call('HINCRBY', lease, 'trimmed', trimmed) end
end
if more ~= 0 then
  for _, written in ipairs(more[2]) do
    local log = KEYS[written[1]]
    if written[2] == 1 then call('UNLINK', log) end
    in_pieces('RPUSH', log, written[3])
  end
  in_pieces('HDEL', tasks, more[4])
  if tried then in_pieces('HDEL', tries, more[4]) end
  local kept = {}
  for i, task in ipairs(more[3]) do
    kept[2 * i - 1] = task[1]
    if task[2] > 0 then
      kept[2 * i] = 'S' .. call('XADD', KEYS[task[2]], '*', 'p', more[7], 't', task[1]) .. ':' .. task[3]
    else
      kept[2 * i] = 'O' .. task[3]
    end
  end
  in_pieces('HSET', tasks, kept)
  -- First those that end: a start that this commit sends may come right after the one that it carried out.
  in_pieces('HDEL', starts, ended)
  for _, new in ipairs(more[5]) do call('HSETNX', KEYS[new[1]], new[2], new[3]) end
  for _, to in ipairs(more[8]) do in_pieces('ZADD', KEYS[to[1]], to[2]) end
  for _, instance in ipairs(more[9]) do
    if call('HEXISTS', starts, instance) == 1 or call('HEXISTS', KEYS[3], instance) == 1 then
      call('ZADD', KEYS[4], 0, instance)
    else
      call('ZREM', KEYS[4], instance)
    end
  end
end
in_pieces('HDEL', KEYS[8], unblocked)
in_pieces('HSET', KEYS[8], blocked)
if c[16] == 1 then
  call('HDEL', lease, 'unclean', 'suspect', 'running_target', 'running_id', 'running_tries')
elseif c[17] == 1 then
  call('HDEL', lease, 'running_target', 'running_id', 'running_tries')
end
call('HSET', lease, 'commit', commit_id)
return 1
