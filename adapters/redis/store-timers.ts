/** The timers of the Redis store. On a cluster the keys of all queues have the prefix's hash tag. */
import { randomUUID } from "node:crypto";
import type { LeasedTimers, Timers } from "../../src/contract/index.ts";
import { byQueue } from "../shared/by-queue.ts";
import type { Server } from "./store-server.ts";

const keysOf = ({ key }: Server, queue: string) =>
  ["due", "leased", "payload", "token"].map((part) => key(`timers:${part}`, queue)) as [string, string, string, string];

export function createTimers(server: Server): Timers {
  const { client, call, run } = server;
  return {
    ...changes(server),
    lease: (queues, how) => call(() => lease(server, [...new Set(queues)], how)),
    read: (queue, { after, limit }) =>
      call(async () => {
        const [time, id] = after === undefined ? ["", ""] : (JSON.parse(after) as [string, string]);
        const answer = (await run("timersRead", keysOf(server, queue).slice(0, 3), [limit, time, id])) as string[];
        return toPage(answer, limit);
      }),
    count: (queues) =>
      call(() => {
        const count = async (queue: string) => Number(await run("timersCount", keysOf(server, queue).slice(0, 2), []));
        return Promise.all(queues.map(count));
      }),
    clear: (queues) =>
      call(async () => {
        const redis = await client();
        await Promise.all(queues.map((queue) => redis.del(...keysOf(server, queue))));
      }),
  };
}

function changes(server: Server): Pick<Timers, "add" | "ack" | "remove"> {
  const { call, run } = server;
  return {
    add: (entries) =>
      call(async () => {
        await byQueue(entries, async (queue, own) => {
          const rows = own.flatMap((each) => [each.id, each.dueInMs, each.payload]);
          await run("timersAdd", keysOf(server, queue), rows);
          return own;
        });
      }),
    ack: (leased) =>
      call(() =>
        byQueue(leased, async (queue, own) => {
          const pairs = own.flatMap(({ id, token }) => [id, token]);
          return isOne((await run("timersAck", keysOf(server, queue).slice(1), pairs)) as number[]);
        }),
      ),
    remove: (entries) =>
      call(() =>
        byQueue(entries, async (queue, own) => {
          const ids = own.map(({ id }) => id);
          return isOne((await run("timersRemove", keysOf(server, queue), ids)) as number[]);
        }),
      ),
  };
}

async function lease(
  server: Server,
  queues: readonly string[],
  { limit, ttlMs }: Parameters<Timers["lease"]>[1],
): Promise<LeasedTimers> {
  if (queues.length === 0) return { entries: [] };
  const token = randomUUID();
  const keys = queues.flatMap((queue) => keysOf(server, queue));
  const [next, ...flat] = (await server.run("timersLease", keys, [limit, ttlMs, token])) as string[];
  const entries = Array.from({ length: flat.length / 3 }, (_, i) => ({
    queue: queues[Number(flat[3 * i])] as string,
    id: flat[3 * i + 1] as string,
    payload: flat[3 * i + 2] as string,
    token,
  }));
  return next ? { entries, nextDueMs: Number(next) } : { entries };
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
