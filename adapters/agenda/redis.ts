/** Agenda's Redis backend: how it is connected, and the scripts for what its repository has not. */

import type { RedisBackend } from "@agendajs/redis-backend";
import type { AgendaBackend } from "agenda";
import type { Redis } from "ioredis";
import { FunboostError, isFunboostError } from "../../src/base/errors.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { orderedId } from "../shared/ordered-id.ts";
import { createRedisClients } from "../shared/redis-clients.ts";
import { agendaScripts } from "./redis-scripts.ts";
import {
  type AgendaLink,
  type AgendaTable,
  type Fence,
  iso,
  type NewJob,
  ownerPrefix,
  unreadableUrl,
} from "./table.ts";

const defaultPrefix = "agenda:";
const traits = { lookahead: 50, loadsOneByOne: true, keepsFailed: false } as const;

export async function connectRedis(url: string | undefined, keyPrefix: string | undefined): Promise<AgendaLink> {
  const { RedisBackend: Backend } = await load();
  const clients = createRedisClients("agenda", url === undefined ? {} : { url });
  const redis = await clients.get("commands").catch((error: unknown) => Promise.reject(unreadableUrl(error) ?? error));
  const prefix = keyPrefix ?? defaultPrefix;
  const backend = new Backend({ redis: redis as never, keyPrefix: prefix });
  const call = <T>(work: () => Promise<T>) => work().catch((error: unknown) => Promise.reject(clients.explain(error)));
  await call(() => backend.connect());
  return { engine: "Redis", backend, ...traits, table: scripts(redis, prefix), call, close: () => clients.close() };
}

/** Takes a backend of the user's, which is never closed. */
export async function adoptRedis(backend: AgendaBackend): Promise<AgendaLink> {
  const redis = clientOf(backend) as Redis;
  const prefix = (backend.repository as unknown as { keyPrefix?: string }).keyPrefix ?? defaultPrefix;
  const call = <T>(work: () => Promise<T>) => work().catch((error: unknown) => Promise.reject(explain(error)));
  await call(() => backend.connect());
  return { engine: "Redis", backend, ...traits, table: scripts(redis, prefix), call, close: async () => {} };
}

/** Undefined: not a backend of this kind. */
export function clientOf(backend: AgendaBackend): Redis | undefined {
  return (backend.repository as unknown as { getRedis?(): Redis }).getRedis?.();
}

async function load(): Promise<{ readonly RedisBackend: typeof RedisBackend }> {
  try {
    return await import("@agendajs/redis-backend");
  } catch (cause) {
    throw missingPeer("agenda", "@agendajs/redis-backend", cause);
  }
}

function explain(error: unknown): Error {
  if (isFunboostError(error) || !/ECONN|ETIMEDOUT|EPIPE|Connection is closed|max retries/i.test(String(error)))
    return error as Error;
  return new FunboostError(
    "BROKER_DOWN",
    `the given Redis backend cannot be used now: ${(error as Error).message}. Is it up?`,
    {
      where: "agenda",
      cause: error,
    },
  );
}

type Script = keyof typeof agendaScripts;
type Run = <T>(script: Script, name: string, ...args: readonly (string | number)[]) => Promise<T>;

/** The score of what is never due again, as Agenda writes it. */
const never = String(Number.MAX_SAFE_INTEGER);

/** Exact: between two milliseconds a score has 4,096 steps. */
const score = (at: Date | null, rank = 0) =>
  at ? `${at.getTime()}${((rank + 1) / 4096).toFixed(12).slice(1)}` : never;

const text = (value: unknown) => (value === null || value === undefined ? "null" : String(value));

function scripts(redis: Redis, prefix: string): AgendaTable {
  for (const [name, lua] of Object.entries(agendaScripts))
    redis.defineCommand(`funboost:agenda:${name}`, { numberOfKeys: 0, lua });
  const commands = redis as unknown as Record<string, (...args: readonly (string | number)[]) => Promise<unknown>>;
  const run: Run = async <T>(script: Script, name: string, ...args: readonly (string | number)[]) =>
    (await commands[`funboost:agenda:${script}`]?.(prefix, name, ...args)) as T;
  const fences = (list: readonly Fence[]) =>
    JSON.stringify(list.map(({ id, token, notAfter }) => [id, token ?? "null", text(notAfter?.getTime())]));
  const held = async (answers: Promise<readonly number[]>) => (await answers).map((each) => each === 1);
  return {
    newId: orderedId,
    idFrom: (bytes) => `${bytes.toString("hex").slice(0, 32)}`,
    isId: (id) => /^[0-9a-f-]{32,36}$/.test(id),
    ...writing(run, held, fences),
    async now() {
      const [seconds, micros] = (await redis.time()) as unknown as [string | number, string | number];
      return Number(seconds) * 1000 + Number(micros) / 1000;
    },
    stored: (name) => redis.scard(`${prefix}jobs:by_name:${name}`),
    async counts(name, now) {
      const [ready, delayed, running] = await run<[number, number, number]>("counts", name, now.getTime());
      return { ready, delayed, running };
    },
    async nextDueAt(_name, now) {
      const [, at] = await redis.zrangebyscore(
        `${prefix}jobs:by_next_run_at`,
        `(${now.getTime() + 1}`,
        never,
        "WITHSCORES",
        "LIMIT",
        0,
        1,
      );
      return at === undefined || Number(at) >= Number.MAX_SAFE_INTEGER ? undefined : Math.ceil(Number(at));
    },
    expired: (name, mine, others) => run("expired", name, mine.getTime(), others.getTime(), ownerPrefix),
    first: (name, n, now) => run("first", name, now.getTime(), n),
    removeWaiting: (name, ids) =>
      ids?.length === 0 ? Promise.resolve([]) : run("removeWaiting", name, ids ? JSON.stringify(ids) : ""),
    async reschedule(name, id, nextRunAt, now) {
      return (
        (await run<number>("reschedule", name, id, nextRunAt.toISOString(), score(nextRunAt), now.getTime())) === 1
      );
    },
  };
}

function writing(
  run: Run,
  held: (answers: Promise<readonly number[]>) => Promise<readonly boolean[]>,
  fences: (list: readonly Fence[]) => string,
) {
  return {
    insert: (name, jobs) =>
      held(
        run(
          "insert",
          name,
          JSON.stringify(jobs.map((job) => [job.id, score(job.nextRunAt, job.rank), newFields(name, job)])),
        ),
      ),
    claim: (name, { token, now, count }) => run("claim", name, now.getTime(), token, count),
    remove: (name, list) => held(run("remove", name, fences(list))),
    renew: (list, lockedAt) => held(run("renew", "", fences(list), lockedAt.getTime())),
    unlock: (name, rows) =>
      held(
        run(
          "unlock",
          name,
          JSON.stringify(
            rows.map((row) => [
              row.id,
              row.token ?? "null",
              text(row.notAfter?.getTime()),
              score(row.nextRunAt, row.rank),
              fieldsOf(row),
              row.rank === undefined && iso(row.nextRunAt),
            ]),
          ),
        ),
      ),
  } satisfies Partial<AgendaTable>;
}

function newFields(name: string, { id, data, nextRunAt, publishedAt, failCount }: NewJob): readonly string[] {
  const times = {
    nextRunAt: nextRunAt.toISOString(),
    startDate: publishedAt.toISOString(),
    createdAt: publishedAt.toISOString(),
    updatedAt: publishedAt.toISOString(),
  };
  return Object.entries({
    ...blank,
    id,
    name,
    data: JSON.stringify(data),
    ...times,
    failCount: text(failCount),
  }).flat();
}

function fieldsOf(row: Parameters<AgendaTable["unlock"]>[1][number]): readonly string[] {
  const dates = {
    nextRunAt: row.nextRunAt,
    lastRunAt: row.lastRunAt,
    lastFinishedAt: row.lastFinishedAt,
    failedAt: row.failedAt,
  };
  const others = {
    failCount: row.failCount,
    failReason: row.failReason,
    lastModifiedBy: row.lastModifiedBy,
    updatedAt: new Date().toISOString(),
  };
  return [
    ...Object.entries(dates).flatMap(([field, date]) => [field, text(iso(date))]),
    ...Object.entries(others).flatMap(([field, value]) => [field, text(value)]),
  ];
}

/** A row as Agenda writes it, before anything has happened to it. */
const blank = {
  priority: "0",
  type: "normal",
  disabled: "false",
  fork: "false",
  ...Object.fromEntries(
    [
      ...[
        "lockedAtMs",
        "lastFinishedAt",
        "failedAt",
        "failReason",
        "repeatTimezone",
        "lastRunAt",
        "repeatInterval",
        "repeatAt",
      ],
      ...["progress", "lastModifiedBy", "debounceStartedAt", "endDate", "skipDays"],
    ].map((field) => [field, "null"]),
  ),
};
