/** Changing what waits or is delayed: its data, its time. In one step with looking, as BullMQ's own scripts do it. */
import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { clock } from "../../src/base/clock.ts";
import { bodyText, parseJson } from "../../src/base/json.ts";
import type { BrokerQueue } from "../../src/contract/index.ts";
import { isStoredByUs } from "./foreign.ts";
import { anyJobId } from "./job-ids.ts";

/** KEYS base; ARGV id, data. Parents that wait for their children have not run. */
const updateScript = `
local base, id, key = KEYS[1], ARGV[1], KEYS[1] .. ARGV[1]
local job = redis.call('HMGET', key, 'data', 'finishedOn')
if not job[1] or job[2] or redis.call('EXISTS', key .. ':lock') == 1 then return 0 end
for _, each in ipairs(redis.call('LRANGE', base .. 'active', 0, -1)) do if each == id then return 0 end end
redis.call('HSET', key, 'data', ARGV[2])
return 1`;

/** KEYS base; ARGV id, delay, now. Among those of one millisecond the last, as BullMQ's changeDelay has it. */
const rescheduleScript = `
local base, id, delay, now = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('EXISTS', base .. id) == 0 or redis.call('EXISTS', base .. id .. ':lock') == 1 then return 0 end
if redis.call('ZREM', base .. 'delayed', id) + redis.call('ZREM', base .. 'prioritized', id) == 0 and
  redis.call('LREM', base .. 'wait', 1, id) == 0 and redis.call('LREM', base .. 'paused', 1, id) == 0 then return 0 end
local first = (now + delay) * 0x1000
local last = redis.call('ZREVRANGEBYSCORE', base .. 'delayed', first + 0xfff, first, 'WITHSCORES', 'LIMIT', 0, 1)
local score = last[2] and math.min(tonumber(last[2]) + 1, first + 0xfff) or first
redis.call('HSET', base .. id, 'delay', delay)
redis.call('ZADD', base .. 'delayed', string.format('%.0f', score), id)
redis.call('XADD', base .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'delayed', 'jobId', id, 'delay',
  string.format('%.0f', now + delay))
if redis.call('HEXISTS', base .. 'meta', 'paused') == 0 then
  local due = redis.call('ZRANGE', base .. 'delayed', 0, 0, 'WITHSCORES')[2]
  redis.call('ZADD', base .. 'marker', string.format('%.0f', math.floor(due / 0x1000)), '1')
end
return 1`;

const members = ["data", "opts", "name", "rjk", "parentKey"];

export async function updateJob(
  queue: Queue,
  client: Redis,
  taskId: string,
  edit: Parameters<NonNullable<BrokerQueue["update"]>>[1],
): Promise<boolean> {
  const id = anyJobId(taskId, queue);
  const [data, opts, name, repeat, parent] = await client.hmget(queue.toKey(id), ...members);
  if (typeof data !== "string") return false;
  const stored = read(data);
  const ours = isStoredByUs(opts ?? "", stored, name !== queue.name, Boolean(repeat || parent));
  const body = edit({ body: stored, ours });
  return (await client.eval(updateScript, 1, queue.toKey(""), id, body === undefined ? data : bodyText(body))) === 1;
}

function read(data: string): unknown {
  try {
    return parseJson(data);
  } catch {
    return data; // not ours
  }
}

export async function rescheduleJob(queue: Queue, client: Redis, taskId: string, delayMs: number): Promise<boolean> {
  const args = [anyJobId(taskId, queue), Math.ceil(delayMs), clock.now()];
  return (await client.eval(rescheduleScript, 1, queue.toKey(""), ...args)) === 1;
}
