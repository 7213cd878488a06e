/** The keys of Agenda's Redis backend: scripts for what must be one step, or one round trip. */
import type { Redis } from "ioredis";
import { bodyText } from "../../src/base/json.ts";
import { orderedId } from "../shared/ordered-id.ts";
import { redisScripts } from "./redis-scripts.ts";
import { type AgendaTable, type Fence, iso, type NewJob, ownerPrefix, type UnlockedRow } from "./table.ts";

type Script = keyof typeof redisScripts;
type Run = <T>(script: Script, name: string, ...args: readonly (string | number)[]) => Promise<T>;

/** The score of what is never due again, as Agenda writes it. */
const never = String(Number.MAX_SAFE_INTEGER);

/** Exact: between two milliseconds a score has 4,096 steps. */
const score = (at: Date | null, rank = 0) =>
  at ? `${at.getTime()}${((rank + 1) / 4096).toFixed(12).slice(1)}` : never;

const text = (value: unknown) => (value === null || value === undefined ? "null" : String(value));

export function createRedisTable(redis: Redis, prefix: string): AgendaTable {
  const run = createRun(redis, prefix);
  return {
    newId: orderedId,
    idFrom: (bytes) => `${bytes.toString("hex").slice(0, 32)}`,
    isId: (id) => /^[0-9a-f-]{32,36}$/.test(id),
    ...writing(run),
    ...reading(run, redis, prefix),
    removeWaiting: (name, ids) =>
      ids?.length === 0 ? Promise.resolve([]) : run("removeWaiting", name, ids ? JSON.stringify(ids) : ""),
    reschedule: async (name, id, nextRunAt) =>
      (await run<number>("reschedule", name, id, nextRunAt.toISOString(), score(nextRunAt))) === 1,
    update: async (name, id, data) => (await run<number>("update", name, id, bodyText(data))) === 1,
  };
}

function createRun(redis: Redis, prefix: string): Run {
  for (const [name, lua] of Object.entries(redisScripts))
    redis.defineCommand(`funboost:agenda:${name}`, { numberOfKeys: 0, lua });
  const commands = redis as unknown as Record<string, (...args: readonly (string | number)[]) => Promise<unknown>>;
  return async <T>(script: Script, name: string, ...args: readonly (string | number)[]) =>
    (await commands[`funboost:agenda:${script}`]?.(prefix, name, ...args)) as T;
}

function reading(run: Run, redis: Redis, prefix: string) {
  return {
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
      const byTime = `${prefix}jobs:by_next_run_at`;
      const after = `(${now.getTime() + 1}`;
      const [, at] = await redis.zrangebyscore(byTime, after, never, "WITHSCORES", "LIMIT", 0, 1);
      return at === undefined || Number(at) >= Number.MAX_SAFE_INTEGER ? undefined : Math.ceil(Number(at));
    },
    expired: (name, mine, others) => run("expired", name, mine.getTime(), others.getTime(), ownerPrefix),
    first: (name, n, now) => run("first", name, now.getTime(), n),
    async repair(id) {
      const key = `${prefix}job:${id}`;
      const [data, skipDays] = await redis.hmget(key, "data", "skipDays");
      if (data && !isJson(data)) await redis.hset(key, "data", JSON.stringify(data));
      if (skipDays && !isJson(skipDays)) await redis.hset(key, "skipDays", "null");
    },
  } satisfies Partial<AgendaTable>;
}

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

const fences = (list: readonly Fence[]) =>
  JSON.stringify(list.map(({ id, token, notAfter }) => [id, token ?? "null", text(notAfter?.getTime())]));

const truths = async (answers: Promise<readonly number[]>) => (await answers).map((each) => each === 1);

function writing(run: Run) {
  return {
    insert(name, jobs) {
      const rows = jobs.map((job) => [job.id, score(job.nextRunAt, job.rank), newFields(name, job)]);
      return truths(run("insert", name, JSON.stringify(rows)));
    },
    claim: (name, { token, now, count }) => run("claim", name, now.getTime(), token, count),
    remove: (name, list) => truths(run("remove", name, fences(list))),
    renew: (list, lockedAt) => truths(run("renew", "", fences(list), lockedAt.getTime())),
    unlock: (name, rows) => truths(run("unlock", name, JSON.stringify(rows.map(unlockArguments)))),
  } satisfies Partial<AgendaTable>;
}

const unlockArguments = (row: UnlockedRow) => [
  row.id,
  row.token ?? "null",
  text(row.notAfter?.getTime()),
  score(row.nextRunAt, row.rank),
  fieldsOf(row),
  row.rank === undefined && iso(row.nextRunAt),
];

function newFields(name: string, { id, data, nextRunAt, publishedAt, failCount }: NewJob): readonly string[] {
  const created = (publishedAt ?? nextRunAt).toISOString();
  const times = {
    nextRunAt: nextRunAt.toISOString(),
    ...(publishedAt ? { startDate: publishedAt.toISOString() } : {}),
    createdAt: created,
    updatedAt: created,
  };
  return Object.entries({
    ...blank,
    id,
    name,
    data: bodyText(data),
    ...times,
    failCount: text(failCount),
  }).flat();
}

function fieldsOf(row: UnlockedRow): readonly string[] {
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
