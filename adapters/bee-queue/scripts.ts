/** What the Bee-Queue adapter does in the server, on Bee-Queue's own keys. */
import { exchangeScript } from "./exchange-script.ts";
import { createScript } from "./script.ts";

export const scripts = {
  exchange: exchangeScript,

  /**
   * ARGV: ids, then their tokens. As Bee-Queue's own workers say that they live. Answers the numbers of those that are
   * no longer ours.
   */
  renew: createScript(`
local n, lost = #ARGV / 2, {}
local ids = {}
for i = 1, n do
  ids[i] = ARGV[i]
  local _, owner = holder(redis.call('HGET', held, ARGV[i]))
  if owner ~= ARGV[n + i] then lost[#lost + 1] = i end
end
redis.call('SREM', base .. 'stalling', unpack(ids))
return lost`),

  /**
   * ARGV: ms of a stall, ms for which a look holds. Bee-Queue's own check, except after a time in which nobody of ours
   * looked: that nobody has said that he lives says nothing then, so nobody checks until all have had time to. What was
   * taken from somebody of ours is lost to him, whoever gets it next. Forgets what is over.
   */
  rescue: createScript(`
local block, stalling, look = base .. 'stallBlock', base .. 'stalling', base .. 'funboostLook'
-- Held back once, it is not at once again, where looks are late.
local inTouch = redis.call('EXISTS', look) + redis.call('EXISTS', look .. ':held') > 0
redis.call('SET', look, '1', 'PX', ARGV[2])
if not inTouch then
  redis.call('SET', look .. ':held', '1', 'PX', ARGV[1] + ARGV[2])
  redis.call('DEL', block)
end
if redis.call('SET', block, '1', 'PX', ARGV[1], 'NX') then
  if inTouch then
    for _, id in ipairs(redis.call('SMEMBERS', stalling)) do
      if redis.call('LREM', active, 0, id) > 0 then redis.call('LPUSH', waiting, id) end
    end
    redis.call('DEL', stalling)
  end
  local ids = redis.call('LRANGE', active, 0, -1)
  for from = 1, #ids, 5000 do redis.call('SADD', stalling, unpack(ids, from, math.min(from + 4999, #ids))) end
end
local running = {}
for _, id in ipairs(redis.call('LRANGE', active, 0, -1)) do running[id] = true end
local all = redis.call('HGETALL', held)
for i = 1, #all, 2 do
  local id = all[i]
  local crashes, owner = holder(all[i + 1])
  if not running[id] then
    local over = redis.call('HEXISTS', jobs, id) == 0
      or redis.call('SISMEMBER', base .. 'succeeded', id) + redis.call('SISMEMBER', base .. 'failed', id) > 0
    if over then redis.call('HDEL', held, id)
    elseif owner ~= '' then redis.call('HSET', held, id, (crashes + 1) .. ':') end
  end
end`),

  /**
   * ARGV: id, token of the exchange whose answer was lost or "". A wait brought it, and it is not wanted: back to where
   * it was.
   */
  giveBack: createScript(`
if redis.call('LREM', active, -1, ARGV[1]) > 0 then
  redis.call('RPUSH', waiting, ARGV[1])
  local crashes, owner = holder(redis.call('HGET', held, ARGV[1]))
  if owner ~= '' and owner == ARGV[2] then redis.call('HSET', held, ARGV[1], crashes .. ':') end
end`),

  /**
   * ARGV for each job: id or "", data, and "waiting", "front" or the time until which it is delayed. What Bee-Queue's
   * addJob and addDelayedJob do, for many in one call, and at both ends of the list. Answers the ids, "" where one was
   * known.
   */
  add: createScript(`
local ids = {}
for i = 1, #ARGV, 3 do
  local id, to = ARGV[i], ARGV[i + 2]
  local new = 0
  if id ~= '' then new = redis.call('HSETNX', jobs, id, ARGV[i + 1])
  else
    while new == 0 do -- somebody may have given a number of his own
      id = '' .. redis.call('INCR', base .. 'id')
      new = redis.call('HSETNX', jobs, id, ARGV[i + 1])
    end
  end
  if new == 0 then
    id = ''
  elseif to == 'waiting' then
    redis.call('LPUSH', waiting, id)
  elseif to == 'front' then
    redis.call('RPUSH', waiting, id)
  else
    redis.call('ZADD', delayed, to, id)
    if redis.call('ZRANGE', delayed, 0, 0)[1] == id then redis.call('PUBLISH', base .. 'earlierDelayed', to) end
  end
  ids[#ids + 1] = id
end
return ids`),

  /** ARGV: ids. Removes what waits or is delayed, in one step with looking. Answers those. */
  cancel: createScript(`
local removed = {}
for _, id in ipairs(ARGV) do
  local _, owner = holder(redis.call('HGET', held, id))
  -- The list is searched only where that may help.
  local listed = owner == '' and redis.call('HEXISTS', jobs, id) == 1
  if redis.call('ZREM', delayed, id) == 1 or (listed and redis.call('LREM', waiting, 1, id) == 1) then
    redis.call('HDEL', jobs, id)
    redis.call('HDEL', held, id)
    removed[#removed + 1] = id
  end
end
return removed`),

  /** Removes up to ARGV[1] that wait and as many that are delayed; answers how many. */
  clear: createScript(`
local limit = tonumber(ARGV[1])
local ids = redis.call('LRANGE', waiting, -limit, -1)
redis.call('LTRIM', waiting, 0, -limit - 1)
local later = redis.call('ZRANGE', delayed, 0, limit - 1)
for _, list in ipairs({ids, later}) do
  if #list > 0 then
    redis.call('HDEL', jobs, unpack(list))
    redis.call('HDEL', held, unpack(list))
  end
end
if #later > 0 then redis.call('ZREM', delayed, unpack(later)) end
return #ids + #later`),

  /** ARGV: id. The job's text. */
  read: createScript("return redis.call('HGET', jobs, ARGV[1])"),

  /** ARGV: how many. Answers id and data of the first that wait, which stand at the end of the list. */
  peek: createScript(`
local ids, found = redis.call('LRANGE', waiting, -tonumber(ARGV[1]), -1), {}
for i = #ids, 1, -1 do
  local data = redis.call('HGET', jobs, ids[i])
  if data then found[#found + 1] = {ids[i], data} end
end
return found`),

  state: createScript(`
local id = ARGV[1]
if redis.call('ZSCORE', delayed, id) then return 'delayed' end
if redis.call('SISMEMBER', base .. 'succeeded', id) == 1 then return 'done' end
if redis.call('SISMEMBER', base .. 'failed', id) == 1 then return 'failed' end
if redis.call('HEXISTS', jobs, id) == 0 then return 'unknown' end
for _, each in ipairs(redis.call('LRANGE', active, 0, -1)) do if each == id then return 'running' end end
return 'waiting'`),

  /** ARGV: id, time. Answers 1 when it was delayed or waited, and is now delayed until then. */
  reschedule: createScript(`
local id, at = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', delayed, id) then
  local _, owner = holder(redis.call('HGET', held, id))
  if owner ~= '' or redis.call('HEXISTS', jobs, id) == 0 or redis.call('LREM', waiting, 1, id) == 0 then return 0 end
end
redis.call('ZADD', delayed, at, id)
redis.call('PUBLISH', base .. 'earlierDelayed', at)
return 1`),

  /** ARGV: id, the job as it was read, and as it is to be. Answers 0: it does not wait; "again": it has changed. */
  update: createScript(`
local id = ARGV[1]
local text = redis.call('HGET', jobs, id)
if not text or redis.call('SISMEMBER', base .. 'succeeded', id) + redis.call('SISMEMBER', base .. 'failed', id) > 0 then
  return 0
end
for _, each in ipairs(redis.call('LRANGE', active, 0, -1)) do if each == id then return 0 end end
if text ~= ARGV[2] then return 'again' end
redis.call('HSET', jobs, id, ARGV[3])
return 1`),
} as const;
