#!lua
-- Puts a batch of messages into an inbox, once however often it is sent, if there is room.
--
-- KEYS  1 inbox (stream)   2 session (string "incarnation:last", with a time to live)   3 lease (hash)
-- ARGV  1 packed: 1 incarnation, 2 previous, 3 last (decimal texts, -1 for none), 4 keep ms, 5 most messages that may
--       wait, 6 payloads
-- Gives {verdict, detail}: 0 accepted; 1 duplicate, the last number; 2 gap, the last number; 3 backlog, its length;
--       4 superseded, the incarnation.
-- Errors: OOM (nothing written: the server is full, this is the one script that it may refuse), STEADTYPE (nothing
--       written).
local b = cmsgpack.unpack(ARGV[1])
local incarnation, previous, last, keep_ms, backlog_max, payloads = b[1], b[2], b[3], b[4], b[5], b[6]
local inbox, session, lease = KEYS[1], KEYS[2], KEYS[3]

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
local record = call('GET', session)
local known_incarnation, known = '0', '-1'
if record then known_incarnation, known = string.match(record, '^(%d+):(-?%d+)$') end
if below(incarnation, known_incarnation) then return {4, known_incarnation} end
if record and not below(known, last) then
  call('PEXPIRE', session, keep_ms)
  return {1, known}
end
-- What the store does not know begins after -1. A record that an older producer of the source left is as good as ours if
-- the number is: the server has lost that we opened the source, and nothing that we sent.
if known ~= previous then return {2, known} end
local waiting = (call('XLEN', inbox)) + (call('HGET', lease, 'parked') or 0)
if waiting + #payloads > backlog_max then return {3, text(waiting)} end

for i = 1, #payloads do call('XADD', inbox, '*', 'm', payloads[i]) end
call('SET', session, incarnation .. ':' .. last, 'PX', keep_ms)
return {0, last}
