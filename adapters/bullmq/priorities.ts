/** Bigger priorities first, on BullMQ. */
import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { clock } from "../../src/base/clock.ts";

const flag = "funboost:priorities";
const none = 1001;

const sweepScript = `
local kept, seen = {}, 0
while seen < tonumber(ARGV[2]) do
  local id = redis.call('RPOP', KEYS[1])
  if not id then break end
  seen = seen + 1
  local opts = redis.call('HGET', ARGV[1] .. id, 'opts')
  if opts and not string.find(opts, '"lifo":true', 1, true) then
    redis.call('HSET', ARGV[1] .. id, 'priority', ARGV[3])
    redis.call('ZADD', KEYS[2], ARGV[3] * 0x100000000 + redis.call('INCR', KEYS[3]) % 0x100000000, id)
  else
    kept[#kept + 1] = id
  end
end
for i = #kept, 1, -1 do redis.call('RPUSH', KEYS[1], kept[i]) end
return {seen, #kept}`;

/** KEYS base; ARGV priority, ids. What comes back from these lists is put where its "priority" says. */
const giveScript = `
for i = 2, #ARGV do
  local job = redis.call('HMGET', KEYS[1] .. ARGV[i], 'opts', 'priority')
  if job[1] and (tonumber(job[2]) or 0) == 0 and not string.find(job[1], '"lifo":true', 1, true) then
    redis.call('HSET', KEYS[1] .. ARGV[i], 'priority', ARGV[1])
  end
end`;

/** What is delayed or runs now comes back as one with a priority: none. */
async function giveNone(queue: Queue, client: Redis): Promise<void> {
  const give = async (ids: readonly string[]) =>
    void (ids.length && (await client.eval(giveScript, 1, queue.toKey(""), none, ...ids)));
  for (let cursor = "0", first = true; first || cursor !== "0"; first = false) {
    const [next, found] = await client.zscan(queue.toKey("delayed"), cursor, "COUNT", 1_000);
    await give(found.filter((_, i) => i % 2 === 0)); // each id is followed by its score
    cursor = next;
  }
  await give(await client.lrange(queue.toKey("active"), 0, -1));
}

async function sweepList(queue: Queue, client: Redis, list: string): Promise<void> {
  const keys = [list, "prioritized", "pc"].map((key) => queue.toKey(key));
  for (let limit = 1_000; ; ) {
    const [seen, kept] = (await client.eval(sweepScript, 3, ...keys, queue.toKey(""), limit, none)) as [number, number];
    if (seen < limit) return;
    limit = kept + 1_000;
  }
}

/**
 * "Bigger is sooner" on BullMQ, which always runs jobs without a priority first, then 1, 2, 3 ...
 * Below none is native: -1 becomes 1002. For above none, every job needs one: the first such publish marks the queue,
 * gives one to what waits, is delayed or runs (none becomes 1001), and from then on all publishers give one to each
 * job; those who have not seen the mark yet look every 100 ms while they publish. Queues that never see a positive
 * priority keep plain jobs, which are faster and show as "waiting".
 */
export async function createPriorities(queue: Queue, client: Redis) {
  let used = (await client.hget(queue.toKey("meta"), flag)) !== null;
  let cancelCheck: (() => void) | undefined;
  let marked = false;
  async function sweep(): Promise<void> {
    if (!marked) await giveNone(queue, client);
    marked = true;
    for (const list of ["paused", "wait"]) await sweepList(queue, client, list);
  }
  async function look(): Promise<void> {
    cancelCheck = undefined;
    used ||= (await client.hget(queue.toKey("meta"), flag)) !== null;
    if (used) await sweep();
  }
  return {
    of: (priority: number) => (priority < 0 || used ? none - Math.round(priority) : 0),
    async use(): Promise<void> {
      if (used) return;
      await client.hset(queue.toKey("meta"), flag, 1);
      used = true;
    },
    sweep,
    checkSoon(): void {
      if (!used) cancelCheck ??= clock.after(100, () => void look().catch(() => {}), { unref: true });
    },
    close: () => cancelCheck?.(),
  };
}
