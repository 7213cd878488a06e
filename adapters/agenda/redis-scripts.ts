/** Scripts on the keys of Agenda's Redis backend, for what its repository cannot do in one step. */

/** ARGV: prefix, name, then what each script says. Redis keeps the keys' names as Agenda wrote them. */
const common = `
local p, name = ARGV[1], ARGV[2]
local byName, byTime = p .. 'jobs:by_name:' .. name, p .. 'jobs:by_next_run_at'
local function drop(id)
  local key = p .. 'job:' .. id
  if redis.call('HGET', key, 'type') == 'single' then redis.call('DEL', p .. 'jobs:single:' .. name) end
  redis.call('DEL', key)
  redis.call('SREM', p .. 'jobs:all', id)
  redis.call('SREM', byName, id)
  redis.call('ZREM', byTime, id)
end
local function ours(id, token, before)
  local found = redis.call('HMGET', p .. 'job:' .. id, 'lockedAtMs', 'lastModifiedBy')
  if not found[1] or found[1] == 'null' or found[2] ~= token then return false end
  return before == 'null' or tonumber(found[1]) <= tonumber(before)
end
local function state(id)
  local found = redis.call('HMGET', p .. 'job:' .. id, 'lockedAtMs', 'nextRunAt')
  if not found[1] then return 'none' end
  if found[1] ~= 'null' then return 'running' end
  return found[2] == 'null' and 'finished' or 'waiting', tonumber(redis.call('ZSCORE', byTime, id) or 0)
end
-- Until visit answers true: what is due, in order, each once.
-- All names share one index; its front is looked at first, unless this name has few jobs.
-- Where others fill the front, the jobs of this name are read and sorted, if they are fewer.
local function eachDue(limit, visit)
  local own, seen, from = redis.call('SCARD', byName), {}, 0
  local fewer = own < redis.call('ZCOUNT', byTime, '-inf', '(' .. limit)
  local stop = fewer and (own < 500 and 0 or 2000) or math.huge
  while from < stop do
    local page = redis.call('ZRANGEBYSCORE', byTime, '-inf', '(' .. limit, 'LIMIT', from, 200)
    for _, id in ipairs(page) do
      seen[id] = true
      if visit(id) then return end
    end
    if #page < 200 then return end
    from = from + 200
  end
  local scored = {}
  for _, id in ipairs(redis.call('SMEMBERS', byName)) do
    local at = tonumber(redis.call('ZSCORE', byTime, id) or limit)
    if at < limit and not seen[id] then table.insert(scored, {id, at}) end
  end
  table.sort(scored, function(a, b) return a[2] < b[2] end)
  for _, each in ipairs(scored) do
    if visit(each[1]) then return end
  end
end
`;

const bodies = {
  insert: `local answers = {}
for i, job in ipairs(cjson.decode(ARGV[3])) do
  local id, key = job[1], p .. 'job:' .. job[1]
  answers[i] = 1 - redis.call('EXISTS', key)
  if answers[i] == 1 then
    redis.call('HSET', key, unpack(job[3]))
    redis.call('SADD', p .. 'jobs:all', id)
    redis.call('SADD', byName, id)
    redis.call('ZADD', byTime, job[2], id)
  end
end
return answers`,
  claim: `local ids = {}
eachDue(tonumber(ARGV[3]) + 1, function(id)
  local key = p .. 'job:' .. id
  local job = redis.call('HMGET', key, 'name', 'lockedAtMs', 'disabled', 'nextRunAt')
  if job[1] == name and job[3] ~= 'true' and job[4] ~= 'null' and (not job[2] or job[2] == 'null') then
    redis.call('HSET', key, 'lockedAtMs', ARGV[3], 'lastModifiedBy', ARGV[4])
    table.insert(ids, id)
  end
  return #ids == tonumber(ARGV[5])
end)
return ids`,
  remove: `local answers = {}
for i, fence in ipairs(cjson.decode(ARGV[3])) do
  answers[i] = ours(fence[1], fence[2], fence[3]) and 1 or 0
  if answers[i] == 1 then drop(fence[1]) end
end
return answers`,
  unlock: `local answers = {}
for i, row in ipairs(cjson.decode(ARGV[3])) do
  answers[i] = ours(row[1], row[2], row[3]) and 1 or 0
  if answers[i] == 1 then
    local stays = row[6] and row[6] == redis.call('HGET', p .. 'job:' .. row[1], 'nextRunAt')
    redis.call('HSET', p .. 'job:' .. row[1], 'lockedAtMs', 'null', unpack(row[5]))
    if not stays then redis.call('ZADD', byTime, row[4], row[1]) end
  end
end
return answers`,
  renew: `local answers = {}
for i, fence in ipairs(cjson.decode(ARGV[3])) do
  answers[i] = ours(fence[1], fence[2], fence[3]) and 1 or 0
  if answers[i] == 1 then redis.call('HSET', p .. 'job:' .. fence[1], 'lockedAtMs', ARGV[4]) end
end
return answers`,
  expired: `local ids = {}
for _, id in ipairs(redis.call('SMEMBERS', byName)) do
  local found = redis.call('HMGET', p .. 'job:' .. id, 'lockedAtMs', 'lastModifiedBy')
  local locked = found[1] and tonumber(found[1])
  local mine = found[2] and string.sub(found[2], 1, #ARGV[5]) == ARGV[5]
  if locked and locked <= tonumber(mine and ARGV[3] or ARGV[4]) then table.insert(ids, id) end
end
return ids`,
  counts: `local ready, delayed, running = 0, 0, 0
for _, id in ipairs(redis.call('SMEMBERS', byName)) do
  local what, at = state(id)
  if what == 'running' then running = running + 1
  elseif what == 'waiting' and at < tonumber(ARGV[3]) + 1 then ready = ready + 1
  elseif what == 'waiting' then delayed = delayed + 1 end
end
return {ready, delayed, running}`,
  first: `local ids = {}
eachDue(tonumber(ARGV[3]) + 1, function(id)
  if redis.call('SISMEMBER', byName, id) == 1 and state(id) == 'waiting' then table.insert(ids, id) end
  return #ids == tonumber(ARGV[4])
end)
return ids`,
  removeWaiting: `local removed = {}
for _, id in ipairs(ARGV[3] == '' and redis.call('SMEMBERS', byName) or cjson.decode(ARGV[3])) do
  if state(id) == 'waiting' and redis.call('SISMEMBER', byName, id) == 1 then
    drop(id)
    table.insert(removed, id)
  end
end
return removed`,
  update: `if state(ARGV[3]) ~= 'waiting' or redis.call('SISMEMBER', byName, ARGV[3]) == 0 then return 0 end
redis.call('HSET', p .. 'job:' .. ARGV[3], 'data', ARGV[4])
return 1`,
  reschedule: `if state(ARGV[3]) ~= 'waiting' or redis.call('SISMEMBER', byName, ARGV[3]) == 0 then return 0 end
redis.call('HSET', p .. 'job:' .. ARGV[3], 'nextRunAt', ARGV[4])
redis.call('ZADD', byTime, ARGV[5], ARGV[3])
return 1`,
} as const;

export const redisScripts = Object.fromEntries(
  Object.entries(bodies).map(([name, body]) => [name, common + body]),
) as Readonly<Record<keyof typeof bodies, string>>;
