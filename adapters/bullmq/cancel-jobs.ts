/** Cancelling on BullMQ. */
import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { anyJobId, taskId } from "./job-ids.ts";

const cancelScript = `
local removed = {}
for _, id in ipairs(ARGV) do
  local base, key = KEYS[1], KEYS[1] .. id
  local job = redis.call('HMGET', key, 'parentKey', 'rjk', 'deid')
  if not job[1] and not job[2] and redis.call('EXISTS', key .. ':lock', key .. ':dependencies') == 0 and
    (redis.call('ZREM', base .. 'delayed', id) == 1 or redis.call('ZREM', base .. 'prioritized', id) == 1 or
    redis.call('LREM', base .. 'wait', 1, id) == 1 or redis.call('LREM', base .. 'paused', 1, id) == 1) then
    if job[3] and redis.call('GET', base .. 'de:' .. job[3]) == id then redis.call('DEL', base .. 'de:' .. job[3]) end
    redis.call('DEL', key, key .. ':logs')
    redis.call('XADD', base .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'removed', 'jobId', id, 'prev', 'waiting')
    removed[#removed + 1] = id
  end
end
return removed`;

/**
 * Removes what waits or is delayed, in one step with looking: never what runs or has run, nor parts of flows and
 * schedules.
 */
export async function cancelJobs(queue: Queue, client: Redis, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const removed = await client.eval(cancelScript, 1, queue.toKey(""), ...ids.map((id) => anyJobId(id, queue)));
  return (removed as string[]).map(taskId);
}
