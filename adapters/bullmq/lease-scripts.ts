/** What BullMQ's own scripts on locks leave out: a server that stood still for longer than a lock. */

/**
 * KEYS: stalled, active. ARGV: prefix of the job keys, ms, then id, token and number of starts of each job. As BullMQ
 * renews locks; one that has lapsed is taken again as long as nobody has started the job since. Answers those lost.
 */
export const renewScript = `
local lost, active = {}, nil
local function isActive(id)
  if not active then
    active = {}
    for _, each in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do active[each] = true end
  end
  return active[id]
end
for i = 3, #ARGV, 3 do
  local id, token, key = ARGV[i], ARGV[i + 1], ARGV[1] .. ARGV[i]
  local holder = redis.call('GET', key .. ':lock')
  if holder == token or not holder and redis.call('HGET', key, 'ats') == ARGV[i + 2] and isActive(id) then
    redis.call('SET', key .. ':lock', token, 'PX', ARGV[2])
    redis.call('SREM', KEYS[1], id)
  else
    lost[#lost + 1] = id
  end
end
return lost`;

/**
 * KEYS: two of ours, stalled-check, stalled, active. ARGV: for how many ms a look holds, and for how many nobody may
 * look for stalled jobs after a time in which nobody of ours looked: that the locks have lapsed says nothing then.
 * What runs must show until then that it lives. ARGV[3]: for how long it is not held back again, where looks are late.
 */
export const lookScript = `
if redis.call('EXISTS', KEYS[1]) + redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
  redis.call('SET', KEYS[3], 'funboost', 'PX', ARGV[2])
  local active = redis.call('LRANGE', KEYS[5], 0, -1)
  for from = 1, #active, 5000 do redis.call('SADD', KEYS[4], unpack(active, from, math.min(from + 4999, #active))) end
end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])`;

/**
 * KEYS: a job. ARGV: how often it was lost. That number into its options, where no worker of others looks: one that
 * finds more than one in BullMQ's own count fails the job.
 */
export const lossesScript = `
local opts = redis.call('HGET', KEYS[1], 'opts')
if not opts or string.sub(opts, 1, 1) ~= '{' then return end
opts = string.gsub(opts, '^{"losses":%d+,?', '{', 1)
local rest = (opts == '{}' and '' or ',') .. string.sub(opts, 2)
redis.call('HSET', KEYS[1], 'stc', 0, 'opts', '{"losses":' .. ARGV[1] .. rest)`;
