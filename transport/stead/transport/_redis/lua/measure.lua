#!lua flags=allow-oom
-- Keeps what a worker has measured: since it began, and within a minute. Unless that is its first word, what it said before has to
-- be there: else it has been taken into the sum of ended workers meanwhile, and would count twice.
--
-- KEYS  1 measures (hash: worker -> block)   2 minute (hash: worker -> block, with a time to live)   3 hub record (hash)
-- Gives 1, or 0 if what it said before is gone (nothing written).
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('HSET', 'PEXPIRE')
check(measures, 'hash')
check(minute, 'hash')
if first ~= '1' and call('HEXISTS', measures, worker) == 0 then return 0 end
call('HSET', measures, worker, sums)
call('HSET', minute, worker, part)
call('PEXPIRE', minute, keep_ms)
return 1
