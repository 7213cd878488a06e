/** What the Redis store does in one step on the server. Times are the server's own. */

export const now = "local t = redis.call('TIME'); local now = t[1] * 1000 + t[2] / 1000";

/** name -> number of keys, where it is always the same, and text. `ARGV` are texts; "" stands for "none". */
export const storeScripts = {
  /** KEYS key; ARGV value, ttlMs, expected. Writes if the key holds what is expected. */
  setEqual: {
    keys: 1,
    lua: `if redis.call('GET', KEYS[1]) ~= ARGV[3] then return 0 end
if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1`,
  },
  /** KEYS key; ARGV by, ttlMs. */
  increment: {
    keys: 1,
    lua: `local new = redis.call('EXISTS', KEYS[1]) == 0
local value = redis.call('INCRBYFLOAT', KEYS[1], ARGV[1])
if new and ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return value`,
  },
  /**
   * KEYS next, row; ARGV perMs, places, count, aheadMs, slackMs, lateMs, unused numbers ... Answers in how many ms
   * the row's next is due, then for each start in how many ms it is due, and its number. It is what `reserveInRow` of
   * adapters/shared/start-row.ts does; `next` is a key of its own because version 0.1 knows that and nothing else.
   */
  reserve: {
    keys: 2,
    lua: `${now}
local per, places, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ahead, slack, late = tonumber(ARGV[4]) or math.huge, tonumber(ARGV[5]), tonumber(ARGV[6])
local afresh = per > slack and now or now - slack
local next = tonumber(redis.call('GET', KEYS[1]) or afresh) or afresh
-- What others wrote there counts as none.
local isJson, kept = pcall(cjson.decode, redis.call('GET', KEYS[2]) or '')
if not isJson or type(kept) ~= 'table' then kept = {} end
local number, last, moved = tonumber(kept.number) or 0, tonumber(kept.last) or 0, {}
for _, each in ipairs(type(kept.moved) == 'table' and kept.moved or {}) do
  if type(each) == 'table' and tonumber(each[1]) and tonumber(each[2]) then moved[#moved + 1] = each end
end
local function where(n)
  for i = 1, #moved do if moved[i][1] % places == n % places then return i end end
end
for a = 7, #ARGV do
  local n = tonumber(ARGV[a])
  local i = where(n)
  if i then
    if moved[i][1] == n then
      local due = moved[i][2] - places * per
      if due > last - 1 then last = last - per end
      moved[i][2] = math.max(now, due)
    end
  elseif n < number and n >= number - places and #moved < 64 then
    moved[#moved + 1] = {n, math.max(now, next - (number - n) * per)}
  end
end
for i = #moved, 1, -1 do if moved[i][2] <= now - 250 then table.remove(moved, i) end end
for _ = 1, 5 do
  if per <= slack or next + slack >= now or next <= now - 100 then break end
  if not where(number) then moved[#moved + 1] = {number, now} end
  number, next = number + 1, next + per
end
if next + slack < now then next = afresh end
local again = places * per + late
local starts = {0}
while #starts < 2 * count do
  local back = where(number)
  while back and moved[back][2] > next and #moved < places do
    number, next = number + 1, next + per
    back = where(number)
  end
  local due = back and moved[back][2] > next and math.huge or math.max(now, next)
  local first
  for m = 1, #moved do if not first or moved[m][2] < moved[first][2] then first = m end end
  local beside = first and math.max(now, moved[first][2], last + per / 2) or math.huge
  if math.min(due, beside) > now + ahead then break end
  local this
  if beside <= due then
    this, due, last = moved[first][1] + places, beside, beside
    moved[first] = {this, beside + again}
  else
    if back then table.remove(moved, back) end
    this, number, next = number, number + 1, next + per
    if late > 0 and #moved < 64 then moved[#moved + 1] = {this, due + again} end
  end
  starts[#starts + 1] = string.format('%.3f', due - now)
  starts[#starts + 1] = this
end
starts[1] = string.format('%.3f', math.max(0, next - now))
local ends = next + (places - 1) * per + slack
for i = 1, #moved do ends = math.max(ends, moved[i][2]) end
local ttl = math.ceil(math.max(ends - now, 0)) + 1000
redis.call('SET', KEYS[1], string.format('%.3f', next), 'PX', ttl)
redis.call('SET', KEYS[2], cjson.encode({number = number, last = last, moved = moved}), 'PX', ttl)
return starts`,
  },
  /**
   * KEYS lease, fence; ARGV owner, ttlMs, the term to renew. One fence for all leases: it grows, and leaves no key
   * behind for each name.
   */
  lease: {
    keys: 2,
    lua: `local held = redis.call('HMGET', KEYS[1], 'owner', 'fence')
if held[1] and held[1] ~= ARGV[1] then return false end
if ARGV[3] ~= '' and held[2] ~= ARGV[3] then return false end
local fence = held[2] or redis.call('INCR', KEYS[2])
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', fence)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return tonumber(fence)`,
  },
  /** KEYS lease; ARGV owner. */
  release: {
    keys: 1,
    lua: "if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
  },
  /**
   * KEYS result; ARGV outcome, ttlMs, publishedAt. A list: the outcome, and which life of the id it is of. Waiters hear
   * of it with the outcome, if it is short.
   */
  putResult: {
    keys: 1,
    lua: `if redis.call('EXISTS', KEYS[1]) == 1 then
  local kept = tonumber(redis.call('LINDEX', KEYS[1], 1) or '')
  local new = tonumber(ARGV[3])
  if not new or kept and kept >= new then return end
  redis.call('DEL', KEYS[1])
end
redis.call('RPUSH', KEYS[1], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', KEYS[1], #ARGV[1] < 16384 and ARGV[1] or '')`,
  },
} as const;
