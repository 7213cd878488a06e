/** The script of one round trip of a Bee-Queue consumer. */
import { createScript } from "./script.ts";

/**
 * Ends what has ended, raises what is due, takes up to `take`; with -1 it only ends.
 * ARGV: now, token, take, token of the exchange whose answer was lost or "", most failed jobs to keep (0: all), number
 * of endings, number of brought ids; for each ending: id, its token, where to, new data or "", event or ""; then the
 * ids that a blocking wait brought.
 * Answers: numbers of the stale endings; id, data, crashes of each job taken; the time of the next delayed job or "";
 * 1 when there is more.
 */
export const exchangeScript = createScript(`
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
return {stale, taken, head[2] or '', more}`);
