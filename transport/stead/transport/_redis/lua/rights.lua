#!lua flags=no-writes
-- Which commands that the scripts write with are forbidden to this user. Asked before anything is written, because a
-- right that is missing in mid-script would leave a step half done (HAZARDS 4).
--
-- KEYS  1 any key of the hub
-- Gives the names of the commands.
-- Errors: none.
local missing = {}
for _, command in ipairs({
  {'XADD', key, '*', 'm', ''}, {'XDEL', key, '0-0'}, {'XTRIM', key, 'MAXLEN', '1'}, {'XRANGE', key, '-', '+'}, {'XREVRANGE', key, '+', '-'},
  {'XLEN', key}, {'XINFO', 'STREAM', key}, {'XREAD', 'STREAMS', key, '0'}, {'HSET', key, 'f', 'v'},
  {'HDEL', key, 'f'}, {'HGET', key, 'f'}, {'HMGET', key, 'f'}, {'HGETALL', key}, {'HLEN', key},
  {'HINCRBY', key, 'f', '1'}, {'ZADD', key, '0', 'm'}, {'ZREM', key, 'm'}, {'ZRANGE', key, '0', '0'},
  {'ZRANGEBYSCORE', key, '0', '0'}, {'ZRANGEBYLEX', key, '-', '+'}, {'ZREMRANGEBYLEX', key, '-', '+'}, {'ZREMRANGEBYSCORE', key, '0', '0'},
  {'ZCARD', key}, {'SET', key, 'v'}, {'GET', key}, {'PEXPIRE', key, '1'}, {'EXISTS', key}, {'TYPE', key},
  {'ZLEXCOUNT', key, '-', '+'}, {'ZREVRANGEBYLEX', key, '+', '-'}, {'ZSCORE', key, 'm'}, {'ZREMRANGEBYSCORE', key, '0', '0'}, {'HSETNX', key, 'f', 'v'}, {'HEXISTS', key, 'f'}, {'HSCAN', key, '0'},
  {'RPUSH', key, 'v'}, {'LRANGE', key, '0', '0'}, {'XGROUP', 'CREATE', key, 'g', '0'},
  {'XGROUP', 'SETID', key, 'g', '0'}, {'XGROUP', 'DELCONSUMER', key, 'g', 'c'}, {'XINFO', 'GROUPS', key},
  {'XINFO', 'CONSUMERS', key, 'g'}, {'XPENDING', key, 'g'}, {'XCLAIM', key, 'g', 'c', '0', '0-0'},
  {'XACK', key, 'g', '0-0'}, {'UNLINK', key}, {'TIME'}, {'EVALSHA', '', '0'},
}) do
  if not redis.acl_check_cmd(unpack(command)) then missing[#missing + 1] = command[1] end
end
return missing
