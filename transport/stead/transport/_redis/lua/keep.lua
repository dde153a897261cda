#!lua flags=allow-oom
-- Says that tasks which a worker has taken still run, and lets go of those that nobody wants any more.
--
-- KEYS  queues (stream) and tasks (hash), in any order, then the hub record (hash)
-- ARGV  1 packed: 1 worker, 2 places in KEYS of queues, 3 places in KEYS of tasks, 4 taken: {place of the queue, place of
--       tasks, entry, task ID}, ...   5 hub ID
-- Gives the places, from 1, of those that nobody wants any more or that another worker has.
-- Errors: STEADHUB, STEADTYPE (nothing written).
local a = cmsgpack.unpack(ARGV[1])
local worker, taken = a[1], a[4]
check_hub(a[5])
for _, place in ipairs(a[2]) do check(KEYS[place], 'stream') end
for _, place in ipairs(a[3]) do check(KEYS[place], 'hash') end

for _, place in ipairs(a[2]) do open_queue(KEYS[place]) end
local lost = {}
for i, task in ipairs(taken) do
  local queue, entry = KEYS[task[1]], task[3]
  if entry_of(call('HGET', KEYS[task[2]], task[4])) ~= entry then
    call('XACK', queue, 'workers', entry)
    call('XDEL', queue, entry)
    lost[#lost + 1] = i
  elseif taker(queue, entry) == worker then
    call('XCLAIM', queue, 'workers', worker, 0, entry, 'JUSTID')
  else
    lost[#lost + 1] = i
  end
end
return lost
