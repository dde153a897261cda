#!lua flags=allow-oom
-- Makes a producer the one of its source for a partition.
--
-- KEYS  1 session (string "incarnation:last:refused", with a time to live)   2 hub record (hash)
-- Gives {1, last number accepted, -1 for none}, or {0, incarnation} if a later producer has opened the source.
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
check(session, 'string')
local record = call('GET', session)
local known_incarnation, known, refused = '0', '-1', ''
if record then
  known_incarnation, known, refused = string.match(record, '^(%d+):(-?%d+):?(.*)$')
  if not known then error(redis.error_reply('STEADTYPE ' .. session .. ' is no record of a session')) end
end
if #incarnation < #known_incarnation or (#incarnation == #known_incarnation and incarnation < known_incarnation) then
  return {0, known_incarnation}
end
call('SET', session, incarnation .. ':' .. known .. ':' .. refused, 'PX', keep_ms)
return {1, known}
