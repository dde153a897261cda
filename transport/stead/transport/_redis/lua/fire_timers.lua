#!lua flags=allow-oom
-- Moves timers that are due, by the server's time, into the inbox: the earliest first, at most so many.
--
-- KEYS  1 lease (hash)   2 inbox (stream)   3 timers (zset: timer ID by due ms)   4 payloads (hash)
-- Gives {1, how many, due ms of the next or ""}, {0} if the lease is another's, {-1, commit ID} if a commit stopped in
--       the middle (nothing written).
-- Errors: STEADTYPE (nothing written).
may('HSET', 'XADD', 'ZREM', 'HDEL', 'HGET', 'ZRANGE')
check(lease, 'hash')
check(inbox, 'stream')
check(timers, 'zset')
check(payloads, 'hash')
local refusal, commit = fence(lease, token)
if refusal then return refusal end
local due = call('ZRANGEBYSCORE', timers, '-inf', text(now_ms()), 'LIMIT', 0, limit)

local fired = 0
if #due > 0 then
  call('HSET', lease, 'applying', 'fire')
  for _, id in ipairs(due) do
    local payload = call('HGET', payloads, id)
    if payload then
      call('XADD', inbox, '*', 'm', payload)
      fired = fired + 1
    end
  end
  in_pieces('ZREM', timers, due)
  in_pieces('HDEL', payloads, due)
  call('HSET', lease, 'applying', commit)
end
return {1, fired, call('ZRANGE', timers, 0, 0, 'WITHSCORES')[2] or ''}
