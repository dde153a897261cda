#!lua flags=allow-oom
-- Takes what ended workers have measured into the sum of all of them, which is kept under an empty name.
--
-- KEYS  1 measures (hash: worker -> block)   2 hub record (hash)
-- Gives 1, or 0 if one of them, or the sum, is another by now (nothing written).
-- Errors: STEADHUB, STEADTYPE (nothing written).
check_hub(hub_id)
may('HSET', 'HDEL')
check(measures, 'hash')
if (call('HGET', measures, '') or '') ~= before then return 0 end
for i = 1, #ended, 2 do
  if call('HGET', measures, ended[i]) ~= ended[i + 1] then return 0 end
end
for i = 1, #ended, 2 do
  call('HDEL', measures, ended[i])
end
call('HSET', measures, '', after)
return 1
