-- What a script names of this is put after its first line; behind it come the names of its keys and arguments
-- (`signature.py`). Lua has no rollback, so a script decodes everything and checks every key and every limit before its first
-- write (HAZARDS 4).

local call = redis.call

-- Stops the script, with nothing written, if a key exists with another type than it must have. Gives whether it exists.
local function check(key, kind)
  local found = call('TYPE', key).ok
  if found ~= 'none' and found ~= kind then
    error(redis.error_reply('STEADTYPE ' .. key .. ' is a ' .. found .. ' and should be a ' .. kind))
  end
  return found ~= 'none'
end

-- The text of an error that was caught.
local function reason(raised)
  return type(raised) == 'table' and raised.err or tostring(raised)
end

-- Stops the script, with nothing written, if a field of a hash is there and is no whole number: HINCRBY would fail on it
-- in mid-script.
local function check_number(key, field)
  local found = call('HGET', key, field)
  if found and not (#found < 16 and string.match(found, '^%-?%d+$')) then
    error(redis.error_reply('STEADTYPE ' .. key .. ' has no number in its field ' .. field))
  end
end

-- Stops the script, with nothing written, unless its user may use these commands. All of them are asked for when a program
-- connects (`rights`); but a right that is taken away after that would be missed in mid-script (HAZARDS 4): that to read as
-- well, once something is written. (What a script has called before that it may call.)
local function may(...)
  for _, command in ipairs({...}) do
    if not redis.acl_check_cmd(command, KEYS[1]) then
      error(redis.error_reply('NOPERM this user has no permissions to run ' .. command))
    end
  end
end

-- Stops the script, with nothing written, unless the caller's hub is the one on the server (HAZARDS 26): its keys would be
-- made again, and nobody who comes later would ever see them. Takes the hub's record, which is the last key, out of KEYS.
local function check_hub(hub_id)
  local record = table.remove(KEYS)
  local found = redis.pcall('HGET', record, 'hub_id')
  if type(found) == 'table' then
    check(record, 'hash')
    error(found)
  end
  if found ~= hub_id then error(redis.error_reply('STEADHUB ' .. record .. ' ' .. (found or 'none'))) end
end

-- The server's time in milliseconds; it stands still while a script runs.
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- An integer as text: `tostring` keeps 14 digits only.
local function text(number)
  return string.format('%.0f', number)
end

-- Lua's stack holds some 8,000 values: a command with many arguments goes in pieces of an even size, so that pairs stay
-- together. Gives the sum of the answers.
local function in_pieces(command, key, values)
  if #values == 0 then return 0 end
  if #values <= 4000 then return call(command, key, unpack(values)) end
  local sum = 0
  for first = 1, #values, 4000 do
    sum = sum + call(command, key, unpack(values, first, math.min(first + 3999, #values)))
  end
  return sum
end

-- Takes from a feed what is too old, or too much, and counts it.
local function trim_feed(stream, trimmed, feed, keep_ms, length_max)
  local gone = call('XTRIM', stream, 'MINID', '=', text(math.max(0, now_ms() - keep_ms)))
  gone = gone + call('XTRIM', stream, 'MAXLEN', '=', length_max)
  if gone > 0 then call('HINCRBY', trimmed, feed, gone) end
end

-- A stream ID padded so that IDs compare as text: the key of an entry within a park.
local function padded(id)
  local ms, seq = string.match(id, '^(%d+)%-(%d+)$')
  return string.rep('0', 14 - #ms) .. ms .. '-' .. string.rep('0', 10 - #seq) .. seq
end

-- The stream ID of a park's first message, or nil.
local function first_parked(park)
  local member = call('ZRANGE', park, 0, 0)[1]
  if not member then return nil end
  local ms, seq = string.match(member, '^0*(%d+)%-0*(%d+):')
  return ms .. '-' .. seq
end

-- Whether a lease is held with a token.
local function is_held(lease, token)
  return token ~= '' and call('HGET', lease, 'token') == token
end

-- What a step of a partition's owner begins with: nothing and the last commit's ID if it may go on, else the answer to
-- give: {0} if the lease is another's, {-1, commit ID} if a commit stopped in the middle.
local function fence(lease, token)
  local held = call('HMGET', lease, 'token', 'commit', 'applying')
  if token == '' or held[1] ~= token then return {0} end
  local commit = held[2] or ''
  if (held[3] or '') ~= commit then return {-1, held[3] or ''} end
  return nil, commit
end

-- Whether a worker has said that it lives after the moment at which it was given up on: then it did not end on what it was
-- running, whatever else kept it from what it had to do. `workers` holds what they say: "beat ms:info".
local function outlived(workers, worker, given_up_ms)
  local beat = worker and worker ~= '' and redis.pcall('HGET', workers, worker)
  return type(beat) == 'string' and (tonumber(string.match(beat, '^(%d+):')) or 0) > given_up_ms
end

-- One that ran what a marker names has not ended on it: that try does not count.
local function take_back_try(lease)
  local tries = tonumber(call('HGET', lease, 'running_tries') or '0')
  if tries > 1 then
    call('HSET', lease, 'running_tries', text(tries - 1))
  else
    call('HDEL', lease, 'running_target', 'running_id', 'running_tries')
  end
end

-- What the value of a reservation begins with: the ID of the message that made it, after its length.
local function id_prefix(message_id)
  return string.char(#message_id) .. message_id
end
