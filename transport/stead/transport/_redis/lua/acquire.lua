#!lua flags=allow-oom
-- Takes a partition, if its lease token is still the expected one. Sent again, it gives the same.
--
-- KEYS  1 lease (hash)   2 inbox (stream)   3 timers (zset)   4 parked (hash)   5 blocked (hash)
--       6 workers (hash; what else it may be is no harm)   7 state (hash)   8 payloads (hash)   9 starts (hash)
--       10 tasks (hash)   11 tries (hash)   12 index (zset)   13 dead (stream)   14 built (hash)   15 trimmed (hash)
--       (those from 7 on are only looked at)   16 hub record (hash)
-- Gives {0} if the token is another; {-1, commit ID} if a commit stopped in the middle (nothing written); else
--       {1, epoch, commit ID, now ms, due ms of the first timer or "", {target, stream ID, ...} parked,
--       {target, reason, ...} blocked, unclean ends, suspect until, running target or "", stream ID, tries, deaths,
--       version of the catalogue, {index, how far it is built, ...}}.
-- An owner that did not release the partition has ended uncleanly, unless it was heard of after its lease had run out, or
-- is the one that asks: it only lost the lease.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('HSET', 'HINCRBY', 'HDEL')
check(lease, 'hash')
check(inbox, 'stream')
check(timers, 'zset')
for _, key in ipairs({parked, blocked, state, payloads, starts, tasks, tries, built, trimmed}) do check(key, 'hash') end
check(index, 'zset')
check(dead, 'stream')
for _, field in ipairs({'epoch', 'expires', 'unclean', 'parked', 'trimmed', 'running_tries', 'catalogue'}) do
  check_number(lease, field)
end
local held = call('HMGET', lease, 'token', 'commit', 'applying', 'owner', 'expires')
-- A token is drawn anew for each acquisition: one that is there already was put there by this very request, whose answer
-- was lost.
local again = token ~= '' and held[1] == token
if not again and (held[1] or '') ~= expected then return {0} end
local commit = held[2] or ''
if (held[3] or '') ~= commit then return {-1, held[3] or ''} end
local all_parked, all_blocked = call('HGETALL', parked), call('HGETALL', blocked)
local due = call('ZRANGE', timers, 0, 0, 'WITHSCORES')[2] or ''
local suspect = nil
local lost = expected ~= '' and not again  -- its owner did not release it
-- (What is asked of the owner itself: whether it is a worker that says that it lives.)
local lives = lost and outlived(workers, held[4], held[4] == owner and 0 or tonumber(held[5] or '0'))
if lost and not lives then
  suspect = '0-0'
  if call('EXISTS', inbox) == 1 then
    local stream = call('XINFO', 'STREAM', inbox)
    for i = 1, #stream, 2 do
      if stream[i] == 'last-generated-id' then suspect = stream[i + 1] end
    end
  end
end

local now = now_ms()
call('HSET', lease, 'token', token, 'owner', owner, 'expires', text(now + lease_ms), 'free_since', '0')
local epoch = call('HINCRBY', lease, 'epoch', again and 0 or 1)
if suspect then
  call('HINCRBY', lease, 'unclean', 1)
  call('HSET', lease, 'suspect', suspect)
elseif lives then
  take_back_try(lease)
end
local mark = call('HMGET', lease, 'unclean', 'suspect', 'running_target', 'running_id', 'running_tries',
  'deaths', 'catalogue')
return {1, epoch, commit, text(now), due, all_parked, all_blocked, mark[1] or '0', mark[2] or '0-0', mark[3] or '',
        mark[4] or '', mark[5] or '0', mark[6] or '', mark[7] or '0', call('HGETALL', built)}
