/** Lists, maps and indexes of the Redis store. */
import { now } from "./store-scripts.ts";

/** Members that have ended are gone for all who look. KEYS 1 ids, 2 values, 3 ends. */
const dropEnded = `${now}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
end`;

export const collectionScripts = {
  /** KEYS list; ARGV ttlMs, items ... Answers the length. */
  append: {
    keys: 1,
    lua: `for i = 2, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
if ARGV[1] ~= '' and redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return redis.call('LLEN', KEYS[1])`,
  },
  /** KEYS list; ARGV from below zero, limit. */
  readBack: {
    keys: 1,
    lua: `local from = math.max(0, redis.call('LLEN', KEYS[1]) + ARGV[1])
return redis.call('LRANGE', KEYS[1], from, from + ARGV[2] - 1)`,
  },
  /**
   * KEYS map, lease where it is to be held; ARGV ttlMs, 1 for "if absent", fence, field, value, ... Answers the size,
   * then 1 or 0 for each field; a negative one, which is one less than -size, where the lease is over.
   */
  mapPut: {
    keys: undefined,
    lua: `if KEYS[2] and redis.call('HGET', KEYS[2], 'fence') ~= ARGV[3] then
  return {-1 - redis.call('HLEN', KEYS[1])}
end
local answer = {0}
for i = 4, #ARGV, 2 do
  local new = redis.call(ARGV[2] == '1' and 'HSETNX' or 'HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  answer[#answer + 1] = ARGV[2] == '1' and new or 1
end
if ARGV[1] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
answer[1] = redis.call('HLEN', KEYS[1])
return answer`,
  },
  /** KEYS ids, values, ends; ARGV id, value, ttlMs, ... */
  indexPut: {
    keys: 3,
    lua: `${dropEnded}
for i = 1, #ARGV, 3 do
  redis.call('ZADD', KEYS[1], 0, ARGV[i])
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  if ARGV[i + 2] ~= '' then redis.call('ZADD', KEYS[3], string.format('%.3f', now + ARGV[i + 2]), ARGV[i]) end
end`,
  },
  /** KEYS ids, values, ends; ARGV ids. */
  indexRemove: {
    keys: 3,
    lua: `for _, id in ipairs(ARGV) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
end`,
  },
  /** KEYS ids, values, ends; ARGV from, to, limit, as ZRANGEBYLEX takes them. Answers id, value, ... */
  indexRead: {
    keys: 3,
    lua: `${dropEnded}
local answer, to = {}, ARGV[2] ~= '+' and ARGV[2] .. '\\255' or '+'
for _, id in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], to, 'LIMIT', 0, ARGV[3])) do
  answer[#answer + 1] = id
  answer[#answer + 1] = redis.call('HGET', KEYS[2], id) or ''
end
return answer`,
  },
  /** KEYS ids, values, ends. */
  indexCount: {
    keys: 3,
    lua: `${dropEnded}
return redis.call('ZCARD', KEYS[1])`,
  },
} as const;
