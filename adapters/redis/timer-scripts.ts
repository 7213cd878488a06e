/**
 * The timers of the Redis store: two sorted sets of ids and a hash of payloads, as version 0.1 has them, and a hash of
 * tokens. A token stands beside the end of its lease: where version 0.1 has leased the timer again, that is another.
 */
import { now } from "./store-scripts.ts";

/** Redis compares texts by its locale. */
const isBefore = `local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end`;

export const timerScripts = {
  /** KEYS due, leased, payloads, tokens; ARGV id, dueInMs, payload, ... */
  timersAdd: {
    keys: 4,
    lua: `${now}
for i = 1, #ARGV, 3 do
  redis.call('ZREM', KEYS[2], ARGV[i])
  redis.call('ZADD', KEYS[1], string.format('%.3f', now + ARGV[i + 1]), ARGV[i])
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 2])
  redis.call('HDEL', KEYS[4], ARGV[i])
end`,
  },
  /**
   * KEYS due, leased, payloads, tokens of each queue; ARGV limit, ttlMs, token. Answers the time to the next one or "",
   * then place of the queue, id, payload, ...
   */
  timersLease: {
    keys: undefined,
    lua: `${now}
local limit, ends = tonumber(ARGV[1]), string.format('%.3f', now + ARGV[2])
local found, answer, till = {}, {''}, string.format('%.3f', now)
for k = 1, #KEYS, 4 do
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[k + 1], '-inf', now, 'LIMIT', 0, limit)) do
    redis.call('ZADD', KEYS[k], redis.call('ZSCORE', KEYS[k + 1], id), id)
    redis.call('ZREM', KEYS[k + 1], id)
    redis.call('HDEL', KEYS[k + 3], id)
  end
  local first = redis.call('ZRANGEBYSCORE', KEYS[k], '-inf', till, 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 1, #first, 2 do found[#found + 1] = {k, first[i], tonumber(first[i + 1]), #found} end
end
if #KEYS > 4 then
  table.sort(found, function(a, b) return a[3] < b[3] or a[3] == b[3] and a[4] < b[4] end)
end
for i = 1, math.min(limit, #found) do
  local k, id = found[i][1], found[i][2]
  redis.call('ZREM', KEYS[k], id)
  redis.call('ZADD', KEYS[k + 1], ends, id)
  redis.call('HSET', KEYS[k + 3], id, ARGV[3] .. ' ' .. redis.call('ZSCORE', KEYS[k + 1], id))
  answer[#answer + 1] = (k - 1) / 4
  answer[#answer + 1] = id
  answer[#answer + 1] = redis.call('HGET', KEYS[k + 2], id) or ''
end
for k = 1, #KEYS, 4 do
  for each = k, k + 1 do
    local first = redis.call('ZRANGE', KEYS[each], 0, 0, 'WITHSCORES')[2]
    if first and (answer[1] == '' or first - now < tonumber(answer[1])) then
      answer[1] = string.format('%.3f', math.max(first - now, 0))
    end
    if each > k and not first then redis.call('DEL', KEYS[k + 3]) end
  end
end
return answer`,
  },
  /** KEYS leased, payloads, tokens; ARGV id, token, ... Answers 1 for each that it removed, or 0. */
  timersAck: {
    keys: 3,
    lua: `local answers = {}
for i = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and redis.call('HGET', KEYS[3], ARGV[i]) == ARGV[i + 1] .. ' ' .. score then
    redis.call('ZREM', KEYS[1], ARGV[i])
    redis.call('HDEL', KEYS[2], ARGV[i])
    redis.call('HDEL', KEYS[3], ARGV[i])
    answers[#answers + 1] = 1
  else
    answers[#answers + 1] = 0
  end
end
return answers`,
  },
  /** KEYS due, leased, payloads, tokens; ARGV ids. A lease that is over protects no longer. Answers as above. */
  timersRemove: {
    keys: 4,
    lua: `${now}
local answers = {}
for i, id in ipairs(ARGV) do
  local free = tonumber(redis.call('ZSCORE', KEYS[2], id) or now) <= now
  answers[i] = 0
  if free and redis.call('ZREM', KEYS[1], id) + redis.call('ZREM', KEYS[2], id) > 0 then
    redis.call('HDEL', KEYS[3], id)
    redis.call('HDEL', KEYS[4], id)
    answers[i] = 1
  end
end
return answers`,
  },
  /**
   * KEYS due, leased, payloads; ARGV limit, time and id of the last one before. Answers the clock, then time, 1 where
   * it is leased, id, payload, ... One more than the limit, where there is one. Many may be due at one moment, so the
   * place of the last one is searched among these.
   */
  timersRead: {
    keys: 3,
    lua: `${now}
${isBefore}
local limit = tonumber(ARGV[1]) + 1
local found = {}
for k = 1, 2 do
  local from = 0
  if ARGV[2] ~= '' then
    from = redis.call('ZCOUNT', KEYS[k], '-inf', '(' .. ARGV[2])
    local over = redis.call('ZCOUNT', KEYS[k], '-inf', ARGV[2])
    while from < over do
      local middle = math.floor((from + over) / 2)
      if before(ARGV[3], redis.call('ZRANGE', KEYS[k], middle, middle)[1]) then over = middle else from = middle + 1 end
    end
  end
  local own = redis.call('ZRANGE', KEYS[k], from, from + limit - 1, 'WITHSCORES')
  for i = 1, #own, 2 do found[#found + 1] = {own[i + 1], k, own[i], tonumber(own[i + 1])} end
end
table.sort(found, function(a, b) return a[4] < b[4] or a[4] == b[4] and before(a[3], b[3]) end)
local answer = {string.format('%.3f', now)}
for i = 1, math.min(limit, #found) do
  answer[#answer + 1] = found[i][1]
  answer[#answer + 1] = found[i][2] == 2 and found[i][4] > now and '1' or ''
  answer[#answer + 1] = found[i][3]
  answer[#answer + 1] = redis.call('HGET', KEYS[3], found[i][3]) or ''
end
return answer`,
  },
  /** KEYS due, leased. */
  timersCount: { keys: 2, lua: "return redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2])" },
} as const;
