/** What the Bee-Queue adapter does in the server, on Bee-Queue's own keys. Two keys are ours: `<prefix>:<queue>:funboost` and `...funboostFailed`. */
import { createHash } from "node:crypto";

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** KEYS[1] is `<prefix>:<queue>:`. Bee-Queue knows no cluster, so the other names may be derived from it. */
const names = `
local base = KEYS[1]
local waiting, active, jobs, delayed = base .. 'waiting', base .. 'active', base .. 'jobs', base .. 'delayed'
-- id -> "crashes:token": who holds a job, and how often it was lost. The token is empty while nobody of ours holds it.
local held = base .. 'funboost'
local function holder(value)
  local crashes, token = string.match(value or '', '^(%d+):(.*)$')
  return tonumber(crashes) or 0, token or ''
end
`;

function script(lua: string): Script {
  const text = names + lua;
  return { lua: text, sha: createHash("sha1").update(text).digest("hex") };
}

export const scripts = {
  /**
   * One round trip of a consumer: ends what has ended, raises what is due, takes up to `take`; with -1 it only ends.
   * ARGV: now, token, take, token of the exchange whose answer was lost or "", most failed jobs to keep (0: all), number of endings, number of brought ids;
   * for each ending: id, its token, where to, new data or "", event or ""; then the ids that a blocking wait brought.
   * Answers: numbers of the stale endings; id, data, crashes of each job taken; the time of the next delayed job or ""; 1 when there is more.
   */
  exchange: script(`
local now, token, take, lost, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local endings, brought = tonumber(ARGV[6]), tonumber(ARGV[7])
local at, stale, settled, forgotten, gone, failures = 8, {}, {}, {}, {}, {}
for n = 1, endings do
  local id, mine, to, data, event = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  at = at + 5
  local crashes, owner = holder(redis.call('HGET', held, id))
  if owner ~= mine or redis.call('LREM', active, -1, id) == 0 then
    stale[#stale + 1] = n
  else
    settled[#settled + 1] = id
    if data ~= '' then redis.call('HSET', jobs, id, data) end
    if to == 'gone' then gone[#gone + 1] = id
    elseif to == 'waiting' then redis.call('LPUSH', waiting, id)
    elseif to == 'front' then redis.call('RPUSH', waiting, id)
    elseif to == 'succeeded' or to == 'failed' then redis.call('SADD', base .. to, id)
    else
      redis.call('ZADD', delayed, to, id)
      redis.call('PUBLISH', base .. 'earlierDelayed', to)
    end
    if to == 'failed' and keep > 0 then failures[#failures + 1] = id end
    local final = to == 'gone' or to == 'succeeded' or to == 'failed'
    if final or crashes == 0 then forgotten[#forgotten + 1] = id else redis.call('HSET', held, id, crashes .. ':') end
    if event ~= '' then redis.call('PUBLISH', base .. 'events', event) end
  end
end
if #settled > 0 then redis.call('SREM', base .. 'stalling', unpack(settled)) end
if #forgotten > 0 then redis.call('HDEL', held, unpack(forgotten)) end
if #gone > 0 then redis.call('HDEL', jobs, unpack(gone)) end
-- Only those that failed here: what others left there is theirs.
for _, id in ipairs(failures) do redis.call('LPUSH', base .. 'funboostFailed', id) end
for _ = 1, #failures > 0 and redis.call('LLEN', base .. 'funboostFailed') - keep or 0 do
  local id = redis.call('RPOP', base .. 'funboostFailed')
  if redis.call('SREM', base .. 'failed', id) == 1 then redis.call('HDEL', jobs, id) end
end
if take < 0 then return {stale, {}, '', 0} end

local due = redis.call('ZRANGEBYSCORE', delayed, 0, now, 'LIMIT', 0, 1000)
if #due > 0 then
  local data = redis.call('HMGET', jobs, unpack(due))
  for i, id in ipairs(due) do
    local ahead = false
    if data[i] and string.find(data[i], '"ahead":true', 1, true) then
      local fine, job = pcall(cjson.decode, data[i])
      ahead = fine and type(job.options) == 'table' and job.options.ahead == true
    end
    redis.call(ahead and 'RPUSH' or 'LPUSH', waiting, id)
  end
  redis.call('ZREM', delayed, unpack(due))
end

local ids, known = {}, {}
local function add(id)
  known[id] = true
  ids[#ids + 1] = id
end
for i = at, at + brought - 1 do
  -- Still where the wait put it. Whoever is written down as its holder lost it before.
  if redis.call('LREM', active, -1, ARGV[i]) > 0 then
    redis.call('LPUSH', active, ARGV[i])
    add(ARGV[i])
  end
end
if lost ~= '' then
  for _, id in ipairs(redis.call('LRANGE', active, 0, -1)) do
    local _, owner = holder(redis.call('HGET', held, id))
    if owner == lost and not known[id] then add(id) end
  end
end
while #ids < take do
  local id = redis.call('RPOPLPUSH', waiting, active)
  if not id then break end
  add(id)
end
local taken, more = {}, #due == 1000 and 1 or 0
if #ids > 0 then
  local data, owners, now_held = redis.call('HMGET', jobs, unpack(ids)), redis.call('HMGET', held, unpack(ids)), {}
  for i, id in ipairs(ids) do
    local crashes, owner = holder(owners[i])
    if owner ~= '' and owner ~= lost then crashes = crashes + 1 end
    if data[i] then
      now_held[#now_held + 1] = id
      now_held[#now_held + 1] = crashes .. ':' .. token
      taken[#taken + 1] = id
      taken[#taken + 1] = data[i]
      taken[#taken + 1] = crashes
    else -- removed by others while it waited
      redis.call('LREM', active, -1, id)
      redis.call('HDEL', held, id)
      more = 1
    end
  end
  if #now_held > 0 then redis.call('HSET', held, unpack(now_held)) end
end
local head = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
return {stale, taken, head[2] or '', more}`),

  /** ARGV: ids, then their tokens. As Bee-Queue's own workers say that they live. Answers the numbers of those that are no longer ours. */
  renew: script(`
local n, lost = #ARGV / 2, {}
local ids = {}
for i = 1, n do
  ids[i] = ARGV[i]
  local _, owner = holder(redis.call('HGET', held, ARGV[i]))
  if owner ~= ARGV[n + i] then lost[#lost + 1] = i end
end
redis.call('SREM', base .. 'stalling', unpack(ids))
return lost`),

  /** After a stall check: what it took from somebody of ours is lost to him, whoever gets it next. Forgets what is over. */
  sweep: script(`
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

  /** ARGV: id, token of the exchange whose answer was lost or "". A wait brought it, and it is not wanted: back to where it was. */
  giveBack: script(`
if redis.call('LREM', active, -1, ARGV[1]) > 0 then
  redis.call('RPUSH', waiting, ARGV[1])
  local crashes, owner = holder(redis.call('HGET', held, ARGV[1]))
  if owner ~= '' and owner == ARGV[2] then redis.call('HSET', held, ARGV[1], crashes .. ':') end
end`),

  /**
   * ARGV for each job: id or "", data, and "waiting", "front" or the time until which it is delayed. What Bee-Queue's addJob and addDelayedJob do,
   * for many in one call, and at both ends of the list. Answers the ids, "" where one was known.
   */
  add: script(`
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
  cancel: script(`
local removed = {}
for _, id in ipairs(ARGV) do
  local _, owner = holder(redis.call('HGET', held, id))
  -- The list is searched only where that may help.
  if redis.call('ZREM', delayed, id) == 1 or (owner == '' and redis.call('HEXISTS', jobs, id) == 1 and redis.call('LREM', waiting, 1, id) == 1) then
    redis.call('HDEL', jobs, id)
    redis.call('HDEL', held, id)
    removed[#removed + 1] = id
  end
end
return removed`),

  /** Removes up to ARGV[1] that wait and as many that are delayed; answers how many. */
  clear: script(`
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

  /** ARGV: how many. Answers id and data of the first that wait, which stand at the end of the list. */
  peek: script(`
local ids, found = redis.call('LRANGE', waiting, -tonumber(ARGV[1]), -1), {}
for i = #ids, 1, -1 do
  local data = redis.call('HGET', jobs, ids[i])
  if data then found[#found + 1] = {ids[i], data} end
end
return found`),

  state: script(`
local id = ARGV[1]
if redis.call('ZSCORE', delayed, id) then return 'delayed' end
if redis.call('SISMEMBER', base .. 'succeeded', id) == 1 then return 'done' end
if redis.call('SISMEMBER', base .. 'failed', id) == 1 then return 'failed' end
if redis.call('HEXISTS', jobs, id) == 0 then return 'unknown' end
for _, each in ipairs(redis.call('LRANGE', active, 0, -1)) do if each == id then return 'running' end end
return 'waiting'`),

  /** ARGV: id, time. Answers 1 when it was delayed, and is now until then. */
  reschedule: script(`
if not redis.call('ZSCORE', delayed, ARGV[1]) then return 0 end
redis.call('ZADD', delayed, ARGV[2], ARGV[1])
redis.call('PUBLISH', base .. 'earlierDelayed', ARGV[2])
return 1`),
} as const;
