/** The timers of the Redis store. On a cluster the keys of all queues have the prefix's hash tag. */
import { randomUUID } from "node:crypto";
import type { LeasedTimers, Timers } from "../../src/contract/index.ts";
import { byQueue } from "../shared/by-queue.ts";
import type { Server } from "./store-server.ts";

export function createTimers({ client, run, call, key }: Server): Timers {
  const keysOf = (queue: string) =>
    ["due", "leased", "payload", "token"].map((part) => key(`timers:${part}`, queue)) as [
      string,
      string,
      string,
      string,
    ];
  return {
    add: (entries) =>
      call(async () => {
        await byQueue(entries, async (queue, own) => {
          const rows = own.flatMap((each) => [each.id, each.dueInMs, each.payload]);
          await run("timersAdd", keysOf(queue), rows);
          return own;
        });
      }),
    lease: (queues, { limit, ttlMs }) =>
      call(async (): Promise<LeasedTimers> => {
        if (queues.length === 0) return { entries: [] };
        const names = [...new Set(queues)];
        const token = randomUUID();
        const answer = await run("timersLease", names.flatMap(keysOf), [limit, ttlMs, token]);
        const [next, ...flat] = answer as string[];
        const entries = Array.from({ length: flat.length / 3 }, (_, i) => ({
          queue: names[Number(flat[3 * i])] as string,
          id: flat[3 * i + 1] as string,
          payload: flat[3 * i + 2] as string,
          token,
        }));
        return next ? { entries, nextDueMs: Number(next) } : { entries };
      }),
    ack: (leased) =>
      call(() =>
        byQueue(leased, async (queue, own) => {
          const pairs = own.flatMap(({ id, token }) => [id, token]);
          return isOne((await run("timersAck", keysOf(queue).slice(1), pairs)) as number[]);
        }),
      ),
    remove: (entries) =>
      call(() =>
        byQueue(entries, async (queue, own) => {
          const ids = own.map(({ id }) => id);
          return isOne((await run("timersRemove", keysOf(queue), ids)) as number[]);
        }),
      ),
    read: (queue, { after, limit }) =>
      call(async () => {
        const [time, id] = after === undefined ? ["", ""] : (JSON.parse(after) as [string, string]);
        const answer = (await run("timersRead", keysOf(queue).slice(0, 3), [limit, time, id])) as string[];
        return toPage(answer, limit);
      }),
    count: (queues) =>
      call(() =>
        Promise.all(queues.map(async (queue) => Number(await run("timersCount", keysOf(queue).slice(0, 2), [])))),
      ),
    clear: (queues) =>
      call(async () => {
        const redis = await client();
        await Promise.all(queues.map((queue) => redis.del(...keysOf(queue))));
      }),
  };
}

const isOne = (answers: readonly number[]) => answers.map((each) => each === 1);

function toPage([now, ...flat]: readonly string[], limit: number): Awaited<ReturnType<Timers["read"]>> {
  const rows = Array.from({ length: flat.length / 4 }, (_, i) => flat.slice(4 * i, 4 * i + 4));
  const items = rows.slice(0, limit).map(([time, leased, id = "", payload = ""]) => ({
    id,
    payload,
    dueInMs: Number(time) - Number(now),
    leased: leased === "1",
  }));
  const [time, , id] = rows[limit - 1] ?? [];
  return rows.length > limit ? { items, after: JSON.stringify([time, id]) } : { items };
}
