#!lua flags=allow-oom
-- Writes a batch of commits: the effects of turns of several partitions, each fenced by its lease token and its commit
-- before, and written as a whole or not at all; the members of a component all together or not at all (HAZARDS 31, 32).
--
-- KEYS  of each member its lease (hash), inbox (stream) and state (hash);   with `more` its index (zset), timers (zset),
--       payloads (hash), parked (hash), blocked (hash), dead (stream) and parks (zset);   with `instances` its tasks, tries
--       and starts (hash), logs (list), queues (stream, each with limits (hash) and limited (zset) if tasks leave it), starts (hash) and indexes (zset) of others;   with `indexing` built (hash),
--       sets of indexes (zset), trimmed (hash) and feeds (stream);   at last the inboxes (stream) of `receivers` and the reply streams (stream) of `replies`
-- Gives for each member 1 applied, 2 already applied, 3 fenced, 4 torn (an earlier commit stopped in the middle), 5 void
--       (another of its component could not be written), 6 outdated (the partition has another catalogue), each but the first with nothing written; or an error's text: what is
--       wrong with a key of its (nothing written), STEADTORN if this commit stopped in the middle.
-- Errors: none of its own; one member's trouble is no error for all. Needs no memory check: a commit frees memory (HAZARDS 5).

-- A call pays for every function that is made, whether or not it is used. So what few commits need is made only if it is
-- needed; and a key is checked only if this batch touches it, once, and a lease by reading it.
local checked = {}
local function look(key, kind)
  if checked[key] == kind then return end
  check(key, kind)
  checked[key] = kind
end

-- HSET is what it begins with.
may('XADD', 'XDEL')
if #replies > 0 then may('PEXPIRE') end

local look_at_more, write_more, reserve, settle
if with_more == 1 then
  may('HDEL', 'HEXISTS', 'HGET', 'HINCRBY', 'HSETNX', 'RPUSH', 'UNLINK', 'XTRIM', 'ZADD', 'ZRANGE', 'ZREM', 'ZREMRANGEBYLEX')

  local function look_at_instances(instances)
    local first = instances[INSTANCES_TASKS]
    local new_tasks, dropped = instances[INSTANCES_NEW_TASKS], instances[INSTANCES_DROPPED]
    if #new_tasks > 0 or #dropped > 0 then look(KEYS[first], 'hash') end
    if #dropped > 0 then look(KEYS[first + 1], 'hash') end
    if #instances[INSTANCES_STARTED] > 0 or #instances[INSTANCES_DOUBTFUL] > 0 then look(KEYS[first + 2], 'hash') end
    for _, to in ipairs(instances[INSTANCES_LISTED]) do look(KEYS[to[LISTED_INTO]], 'zset') end
    for _, log in ipairs(instances[INSTANCES_LOGS]) do look(KEYS[log[LOGGED_LOG]], 'list') end
    for _, task in ipairs(new_tasks) do
      if task[NEW_TASK_QUEUE] > 0 then look(KEYS[task[NEW_TASK_QUEUE]], 'stream') end
    end
    for _, new in ipairs(instances[INSTANCES_RESERVATIONS]) do look(KEYS[new[RESERVATION_STARTS]], 'hash') end
    for _, tasks in ipairs({instances[INSTANCES_UNQUEUED], instances[INSTANCES_ENDING]}) do
      for _, gone in ipairs(tasks) do
        local queue = gone[UNQUEUED_QUEUE]
        look(KEYS[queue], 'stream')
        look(KEYS[queue + 1], 'hash')
        look(KEYS[queue + 2], 'zset')
      end
    end
    if #instances[INSTANCES_ENDING] > 0 then
      may('XPENDING')
      look(KEYS[first], 'hash')
    end
  end

  look_at_more = function(lease, state, more)
    local first = more[MORE_FIRST]
    local deleted, instances = more[MORE_DELETED], more[MORE_INSTANCES]
    local doubtful = instances ~= 0 and #instances[INSTANCES_DOUBTFUL] > 0
    if #deleted > 0 or doubtful then look(state, 'hash') end
    if #more[MORE_CREATED] > 0 or #deleted > 0 or doubtful then look(KEYS[first], 'zset') end
    if #more[MORE_DUE] > 0 or #more[MORE_CANCELLED] > 0 then
      look(KEYS[first + 1], 'zset')
      look(KEYS[first + 2], 'hash')
    end
    if #more[MORE_UNPARKED] > 0 then
      look(KEYS[first + 3], 'hash')
      check_number(lease, 'parked')
    end
    for _, park in ipairs(more[MORE_UNPARKED]) do
      look(KEYS[park[UNPARKING_PARK]], 'zset')
      local ids = park[UNPARKING_STREAM_IDS]
      for i, id in ipairs(ids) do ids[i] = padded(id) end
    end
    if #more[MORE_NOW_BLOCKED] > 0 or #more[MORE_UNBLOCKED] > 0 then look(KEYS[first + 4], 'hash') end
    if #more[MORE_LETTERS] > 0 then
      look(KEYS[first + 5], 'stream')
      check_number(lease, 'trimmed')
    end
    if instances ~= 0 then look_at_instances(instances) end
  end
end

local look_at_indexes, write_indexes
if with_indexes == 1 then
  may('HINCRBY', 'TIME', 'XTRIM', 'ZADD', 'ZREM')
  look_at_indexes = function(indexing)
    if indexing[REINDEXING_BUILT] > 0 then look(KEYS[indexing[REINDEXING_BUILT]], 'hash') end
    for _, set in ipairs(indexing[REINDEXING_SETS]) do look(KEYS[set[REINDEXED_ENTRIES]], 'zset') end
    if indexing[REINDEXING_TRIMMED] > 0 then look(KEYS[indexing[REINDEXING_TRIMMED]], 'hash') end
    for _, fed in ipairs(indexing[REINDEXING_FEEDS]) do
      look(KEYS[fed[FED_STREAM]], 'stream')
      check_number(KEYS[indexing[REINDEXING_TRIMMED]], fed[FED_FEED])
    end
  end
  -- Those that are there already keep what is higher.
  local function raise_all(entries, added)
    for first = 1, #added, 4000 do
      call('ZADD', entries, 'GT', unpack(added, first, math.min(first + 3999, #added)))
    end
  end
  write_indexes = function(indexing)
    for _, set in ipairs(indexing[REINDEXING_SETS]) do
      in_pieces('ZREM', KEYS[set[REINDEXED_ENTRIES]], set[REINDEXED_REMOVED])
      if set[REINDEXED_RISES] == 1 then
        raise_all(KEYS[set[REINDEXED_ENTRIES]], set[REINDEXED_ADDED])
      else
        in_pieces('ZADD', KEYS[set[REINDEXED_ENTRIES]], set[REINDEXED_ADDED])
      end
    end
    if indexing[REINDEXING_BUILT] > 0 then in_pieces('HSET', KEYS[indexing[REINDEXING_BUILT]], indexing[REINDEXING_REACHED]) end
    for _, fed in ipairs(indexing[REINDEXING_FEEDS]) do
      local stream = KEYS[fed[FED_STREAM]]
      if #fed[FED_ENTRY] > 0 then call('XADD', stream, '*', 'm', fed[FED_ENTRY]) end
      trim_feed(stream, KEYS[indexing[REINDEXING_TRIMMED]], fed[FED_FEED], fed[FED_KEEP_MS], fed[FED_LENGTH_MAX])
    end
  end
end

-- What there is to say to a member by itself.
local function judge(member)
  local first, token, more = member[MEMBER_LEASE], member[MEMBER_TOKEN], member[MEMBER_MORE]
  local held = call('HMGET', KEYS[first], 'token', 'commit', 'applying', 'catalogue')
  local stored = held[2] or ''
  if stored == batch_id then return 2 end
  if token == '' or held[1] ~= token then return 3 end
  if (held[3] or '') ~= stored then return 4 end
  if stored ~= member[MEMBER_PREVIOUS] then return 3 end
  if (held[4] or '0') ~= member[MEMBER_CATALOGUE] then return 6 end
  if #member[MEMBER_CONSUMED] > 0 then look(KEYS[first + 1], 'stream') end
  if #member[MEMBER_STATES] > 0 then look(KEYS[first + 2], 'hash') end
  if more ~= 0 then look_at_more(KEYS[first], KEYS[first + 2], more) end
  if member[MEMBER_INDEXING] ~= 0 then look_at_indexes(member[MEMBER_INDEXING]) end
  return 1
end

local verdicts = {}
for i, member in ipairs(members) do
  local done, verdict = pcall(judge, member)
  verdicts[i] = done and verdict or reason(verdict)
end
local function look_at_streams(streams)
  for _, to in ipairs(streams) do
    local done, raised = pcall(look, KEYS[to[MESSAGES_STREAM]], 'stream')
    if not done then
      local messages = to[MESSAGES_MESSAGES]
      for i = 1, #messages, 2 do
        if verdicts[messages[i]] == 1 then verdicts[messages[i]] = reason(raised) end
      end
    end
  end
end
look_at_streams(receivers)
look_at_streams(replies)

-- Nothing before this line writes. What fails after it tears the component that it belongs to, and no other.

if with_more == 1 then
  -- Takes a task that waits behind a limit out of its queue; whether it was one.
  local function unqueue(gone, entry)
    local queue, limits, limited = unpack(KEYS, gone[UNQUEUED_QUEUE], gone[UNQUEUED_QUEUE] + 2)
    local waits = entry and call('HMGET', limits, 'w' .. entry, 't' .. entry)
    if not (waits and waits[1]) then return false end
    call('ZREM', limited, waits[1], waits[2] or '')
    call('HDEL', limits, 'w' .. entry, 't' .. entry)
    call('XDEL', queue, entry)
    return true
  end

  -- Tasks that are not to be run any more lose their payloads. What nobody has taken is its owner's to answer.
  local function write_ending(tasks, ending)
    for _, task in ipairs(ending) do
      local queue, task_id = KEYS[task[UNQUEUED_QUEUE]], task[UNQUEUED_TASK_ID]
      local kept = call('HGET', tasks, task_id)
      if kept and kept ~= 'D' then
        local entry = string.match(kept, '^S([^:]*):')
        local taken = false
        if entry and not unqueue(task, entry) then
          local opened, pending = pcall(call, 'XPENDING', queue, 'workers', entry, entry, 1)  -- not if nobody has ever taken any
          taken = opened and #pending > 0
        end
        if entry and not taken then call('XDEL', queue, entry) end
        call('HSET', tasks, task_id, taken and 'S' .. entry .. ':' or 'O')
      end
    end
  end

  local function write_instances(instances)
    local first, dropped, started = instances[INSTANCES_TASKS], instances[INSTANCES_DROPPED], instances[INSTANCES_STARTED]
    local tasks, starts = KEYS[first], KEYS[first + 2]
    for _, written in ipairs(instances[INSTANCES_LOGS]) do
      local log = KEYS[written[LOGGED_LOG]]
      if written[LOGGED_RESET] == 1 then call('UNLINK', log) end
      in_pieces('RPUSH', log, written[LOGGED_EVENTS])
    end
    for _, gone in ipairs(instances[INSTANCES_UNQUEUED]) do
      -- One that waits behind a limit goes with whoever waited for it. What was taken is let go of by who has it.
      unqueue(gone, string.match(call('HGET', tasks, gone[UNQUEUED_TASK_ID]) or '', '^S([^:]*):'))
    end
    in_pieces('HDEL', tasks, dropped)
    in_pieces('HDEL', KEYS[first + 1], dropped)
    local kept = {}
    for i, task in ipairs(instances[INSTANCES_NEW_TASKS]) do
      local task_id = task[NEW_TASK_TASK_ID]
      kept[2 * i - 1] = task_id
      if task[NEW_TASK_QUEUE] > 0 then
        local entry = call('XADD', KEYS[task[NEW_TASK_QUEUE]], '*', 'p', instances[INSTANCES_PARTITION], 't', task_id, unpack(task[NEW_TASK_FIELDS]))
        kept[2 * i] = 'S' .. entry .. ':' .. task[NEW_TASK_PAYLOAD]
      else
        kept[2 * i] = 'O' .. task[NEW_TASK_PAYLOAD]
      end
    end
    in_pieces('HSET', tasks, kept)
    write_ending(tasks, instances[INSTANCES_ENDING])
    local ended = {}
    for i = 1, #started, 2 do
      local target, start = started[i], id_prefix(started[i + 1])
      local reservation = call('HGET', starts, target)
      if reservation and string.sub(reservation, 1, #start) == start then ended[#ended + 1] = target end
    end
    in_pieces('HDEL', starts, ended)
  end

  local function write_unparked(lease, parked, unparked)
    local count = 0
    for _, park in ipairs(unparked) do
      local key, target = KEYS[park[UNPARKING_PARK]], park[UNPARKING_TARGET]
      for _, id in ipairs(park[UNPARKING_STREAM_IDS]) do
        count = count + call('ZREMRANGEBYLEX', key, '[' .. id .. ':', '(' .. id .. ';')
      end
      local left = first_parked(key)
      if left then call('HSET', parked, target, left) else call('HDEL', parked, target) end
    end
    if count > 0 then call('HINCRBY', lease, 'parked', -count) end
  end

  write_more = function(lease, state, more)
    local first, deleted, cancelled, letters = more[MORE_FIRST], more[MORE_DELETED], more[MORE_CANCELLED], more[MORE_LETTERS]
    local timers, payloads, blocked, dead = KEYS[first + 1], KEYS[first + 2], KEYS[first + 4], KEYS[first + 5]
    write_unparked(lease, KEYS[first + 3], more[MORE_UNPARKED])
    in_pieces('HDEL', state, deleted)
    in_pieces('ZREM', KEYS[first], deleted)
    in_pieces('ZADD', KEYS[first], more[MORE_CREATED])
    in_pieces('ZREM', timers, cancelled)
    in_pieces('HDEL', payloads, cancelled)
    in_pieces('ZADD', timers, more[MORE_DUE])
    in_pieces('HSET', payloads, more[MORE_TIMED])
    if #letters > 0 then
      for _, letter in ipairs(letters) do call('XADD', dead, '*', 'm', letter) end
      local trimmed = call('XTRIM', dead, 'MAXLEN', '=', letters_max)
      if trimmed > 0 then call('HINCRBY', lease, 'trimmed', trimmed) end
    end
    if more[MORE_INSTANCES] ~= 0 then write_instances(more[MORE_INSTANCES]) end
    in_pieces('HDEL', blocked, more[MORE_UNBLOCKED])
    in_pieces('HSET', blocked, more[MORE_NOW_BLOCKED])
    if more[MORE_SUSPECT_PASSED] == 1 then
      call('HDEL', lease, 'unclean', 'suspect', 'running_target', 'running_id', 'running_tries')
    elseif more[MORE_CLEAR_RUNNING] == 1 then
      call('HDEL', lease, 'running_target', 'running_id', 'running_tries')
    end
  end

  -- What it reserves for starts that it sends: after all reservations that end with this batch (HAZARDS 35).
  reserve = function(member)
    local instances = member[MEMBER_MORE][MORE_INSTANCES]
    for _, new in ipairs(instances[INSTANCES_RESERVATIONS]) do
      local payload = receivers[new[RESERVATION_RECEIVER]][MESSAGES_MESSAGES][new[RESERVATION_PLACE]]
      local reservation = id_prefix(new[RESERVATION_MESSAGE_ID]) .. payload
      call('HSETNX', KEYS[new[RESERVATION_STARTS]], new[RESERVATION_TARGET], reservation)
    end
    for _, to in ipairs(instances[INSTANCES_LISTED]) do in_pieces('ZADD', KEYS[to[LISTED_INTO]], to[LISTED_MEMBERS]) end
  end

  -- Whether its instances are listed, which depends on all that is stored.
  settle = function(member)
    local more = member[MEMBER_MORE]
    local instances = more[MORE_INSTANCES]
    local index, state, starts = KEYS[more[MORE_FIRST]], KEYS[member[MEMBER_LEASE] + 2], KEYS[instances[INSTANCES_TASKS] + 2]
    for _, instance in ipairs(instances[INSTANCES_DOUBTFUL]) do
      if call('HEXISTS', starts, instance) == 1 or call('HEXISTS', state, instance) == 1 then
        call('ZADD', index, 0, instance)
      else
        call('ZREM', index, instance)
      end
    end
  end
end

-- What a member changes of its own partition.
local function write(member)
  local first, more = member[MEMBER_LEASE], member[MEMBER_MORE]
  in_pieces('XDEL', KEYS[first + 1], member[MEMBER_CONSUMED])
  if more ~= 0 then write_more(KEYS[first], KEYS[first + 2], more) end
  in_pieces('HSET', KEYS[first + 2], member[MEMBER_STATES])
  if member[MEMBER_INDEXING] ~= 0 then write_indexes(member[MEMBER_INDEXING]) end
end

local function tear(torn, raised)
  local component = {torn}
  for _, each in ipairs(components == 0 and {} or components) do
    for _, i in ipairs(each) do component = i == torn and each or component end
  end
  for _, i in ipairs(component) do verdicts[i] = 'STEADTORN ' .. reason(raised) end
end

for _, component in ipairs(components == 0 and {} or components) do
  local applicable, already = 0, false
  for _, i in ipairs(component) do
    if verdicts[i] == 1 then applicable = applicable + 1 end
    already = already or verdicts[i] == 2
  end
  for _, i in ipairs(component) do
    if verdicts[i] == 1 and applicable < #component then
      verdicts[i] = already and 4 or 5
      -- Applied beside not applied is no history that there can be (HAZARDS 34): what is missing is torn.
      if already then call('HSET', KEYS[members[i][MEMBER_LEASE]], 'applying', batch_id) end
    end
  end
end
for i, member in ipairs(members) do
  if verdicts[i] == 1 then call('HSET', KEYS[member[MEMBER_LEASE]], 'applying', batch_id) end
end
for i, member in ipairs(members) do
  if verdicts[i] == 1 then
    local done, raised = pcall(write, member)
    if not done then tear(i, raised) end
  end
end

local at
local function append(messages, stream, replying)
  local appended = false
  while at < #messages do
    if verdicts[messages[at]] == 1 then
      if replying then
        call('XADD', stream, 'MAXLEN', '~', replies_max, '*', 'm', messages[at + 1])
        if not appended then call('PEXPIRE', stream, reply_keep_ms) end
        appended = true
      else
        call('XADD', stream, '*', 'm', messages[at + 1])
      end
    end
    at = at + 2
  end
end
local function append_all(streams, replying)
  for _, to in ipairs(streams) do
    local messages = to[MESSAGES_MESSAGES]
    at = 1
    while at < #messages do
      local done, raised = pcall(append, messages, KEYS[to[MESSAGES_STREAM]], replying)
      if not done then
        tear(messages[at], raised)
        at = at + 2
      end
    end
  end
end
append_all(receivers, false)
append_all(replies, true)
if with_more == 1 then
  for _, step in ipairs({reserve, settle}) do
    for i, member in ipairs(members) do
      if verdicts[i] == 1 and member[MEMBER_MORE] ~= 0 and member[MEMBER_MORE][MORE_INSTANCES] ~= 0 then
        local done, raised = pcall(step, member)
        if not done then tear(i, raised) end
      end
    end
  end
end
for i, member in ipairs(members) do
  if verdicts[i] == 1 then call('HSET', KEYS[member[MEMBER_LEASE]], 'commit', batch_id) end
end
return verdicts
