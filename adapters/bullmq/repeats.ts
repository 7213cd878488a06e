/**
 * Repeats as BullMQ 3 to 5 and Bull 4 keep them. BullMQ 6 runs such a job once with its data, and from then on without:
 * they are found, and become schedulers, which 5 and 6 both know.
 */
import type { JobsOptions, Queue } from "bullmq";
import type { Redis } from "ioredis";
import { FunboostError } from "../../src/base/errors.ts";
import { parseJson, readStored } from "../../src/base/json.ts";
import type { RepairedRepeats, Repeat } from "../../src/contract/index.ts";

/** In one look. */
const mostRepeats = 1_000;

interface Pending {
  readonly id: string;
  readonly name: string;
  readonly data: string;
  readonly opts: StoredOptions;
}

type StoredOptions = JobsOptions & {
  readonly repeat?: { key?: string; cron?: string; count?: number; limit?: number; startDate?: number | string };
};

interface Legacy extends Repeat {
  readonly pending: Pending | undefined;
}

export interface Repeats {
  readonly legacy: readonly Legacy[];
  readonly schedulers: readonly Repeat[];
}

/** `base`: what all keys of the queue begin with. */
export async function readRepeats(client: Redis, base: string): Promise<Repeats> {
  const flat = await client.zrange(`${base}repeat`, "0", `${mostRepeats - 1}`, "WITHSCORES");
  const legacy: Legacy[] = [];
  const schedulers: Repeat[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const [key, next] = [String(flat[i]), Number(flat[i + 1])];
    const fields = await client.hgetall(`${base}repeat:${key}`);
    const plan = fields.name === undefined ? planOfKey(key) : planOf(fields);
    const isScheduler = ["ic", "data", "opts"].some((field) => field in fields);
    if (isScheduler) schedulers.push({ key, next, ...plan, hasData: fields.data !== undefined });
    else {
      const pending = await findPending(client, base, key, next);
      const name = pending?.name ?? plan.name;
      legacy.push({ key, next, ...plan, name, hasData: pending !== undefined, pending });
    }
  }
  return { legacy, schedulers };
}

type Plan = Pick<Repeat, "name" | "every" | "pattern" | "tz" | "endDate">;

function planOf({ name = "", every, pattern, tz, endDate }: Readonly<Record<string, string>>): Plan {
  return {
    name,
    ...(every ? { every: Number(every) } : {}),
    ...(pattern ? { pattern } : {}),
    ...(tz ? { tz } : {}),
    ...(Number(endDate) ? { endDate: Number(endDate) } : {}),
  };
}

/** "name:id:endDate:tz:pattern"; Bull 4 leaves out the zone of an interval. */
function planOfKey(key: string): Plan {
  const [name = "", , endDate = "", ...rest] = key.split(":");
  const [tz = "", ...pattern] = rest.length > 1 ? rest : ["", ...rest];
  const suffix = pattern.join(":");
  return planOf({ name, endDate, tz, ...(/^\d+$/.test(suffix) ? { every: suffix } : { pattern: suffix }) });
}

/** The job that was made for its next time, under whatever id its version gave it. */
async function findPending(client: Redis, base: string, key: string, next: number): Promise<Pending | undefined> {
  const due = await client.zrangebyscore(`${base}delayed`, next * 0x1000, (next + 1) * 0x1000 - 1, "LIMIT", 0, 200);
  const lists = await Promise.all(
    ["wait", "paused", "active"].map((list) => client.lrange(base + list, 0, mostRepeats - 1)),
  );
  const isOfNext = (id: string) => id.startsWith("repeat:") && id.endsWith(`:${next}`);
  for (const id of [`repeat:${key}:${next}`, ...[...due, ...lists.flat()].filter(isOfNext)]) {
    const [name, data, text, rjk] = await client.hmget(base + id, "name", "data", "opts", "rjk");
    const opts = readStored<StoredOptions>(text ?? undefined) ?? {};
    const isIts = id === `repeat:${key}:${next}` || rjk === key || opts.repeat?.key === key;
    if (isIts && typeof data === "string") return { id, name: name ?? "", data, opts };
  }
  return undefined;
}

/** In words, for errors and reports. */
export function repeatText({ name, every, pattern, tz, hasData }: Repeat): string {
  const when = every === undefined ? `${pattern}${tz ? ` (${tz})` : ""}` : `every ${every} ms`;
  return `${JSON.stringify(name)} ${when}${hasData ? "" : ", whose data is gone"}`;
}

export async function refuseRepeats(client: Redis, base: string, queue: string): Promise<void> {
  const { legacy } = await readRepeats(client, base);
  if (legacy.length === 0) return;
  const shown = legacy.slice(0, 10).map(repeatText).join("; ");
  const more = legacy.length > 10 ? `; and ${legacy.length - 10} more` : "";
  const what = `the queue ${JSON.stringify(queue)} has ${legacy.length} repeats of BullMQ 3 to 5 or Bull 4`;
  const why = "BullMQ 6 would run each once, and from then on without its data";
  const advice = `Turn them into schedulers: await repairRepeats({ broker, queue: ${JSON.stringify(queue)} }).`;
  throw new FunboostError("BROKER_REFUSED", `${what}: ${shown}${more}. ${why}. ${advice}`, { where: "bullmq" });
}

/** The scheduler first: whoever is killed between the two has both, and the next repair goes on. */
export async function repairAll(
  queue: Queue,
  client: Redis,
  given: Readonly<Record<string, unknown>>,
): Promise<RepairedRepeats> {
  const { legacy } = await readRepeats(client, queue.toKey(""));
  const repaired: (Repeat & { readonly scheduler: string })[] = [];
  const left: Repeat[] = [];
  for (const { pending, ...repeat } of legacy) {
    const own = [repeat.key, repeat.name].find((name) => Object.hasOwn(given, name));
    if (!pending && own === undefined) {
      left.push(repeat);
      continue;
    }
    const data = own === undefined ? parseJson(pending?.data ?? "{}") : given[own];
    const scheduler = schedulerId(repeat);
    await upsert(queue, scheduler, repeat, pending, data);
    await client.eval(removeScript, 1, queue.toKey(""), repeat.key, scheduler, pending?.id ?? "");
    repaired.push({ ...repeat, hasData: true, scheduler });
  }
  return { repaired, left };
}

/** The same each time. An id that somebody has chosen stays. */
function schedulerId({ key, name }: Repeat): string {
  const isMade = key.includes(":") || /^[0-9a-f]{32,128}$/.test(key);
  return isMade ? `${name}-${key}`.replaceAll(":", ".") : key;
}

async function upsert(
  queue: Queue,
  id: string,
  { name, next, every, pattern, tz, endDate }: Repeat,
  pending: Pending | undefined,
  data: unknown,
): Promise<void> {
  const { count = 1, limit, startDate } = pending?.opts.repeat ?? {};
  const isDue = next <= Date.now();
  const times = every === undefined ? { pattern: pattern ?? "" } : { every };
  const from = every === undefined ? startDate : isDue ? next + every : next;
  const plan = {
    ...times,
    ...(tz === undefined ? {} : { tz }),
    ...(endDate === undefined ? {} : { endDate }),
    ...(from === undefined ? {} : { startDate: new Date(from) }),
    ...(limit === undefined ? {} : { limit: limit - count + 1 }),
  };
  await queue.upsertJobScheduler(id, plan as Parameters<Queue["upsertJobScheduler"]>[1], {
    name,
    data,
    opts: optionsOf(pending?.opts ?? {}),
  });
}

const keptOptions = [
  "attempts",
  "backoff",
  "priority",
  "lifo",
  "removeOnComplete",
  "removeOnFail",
  "keepLogs",
] as const;

/** Those of the job itself, without what its repeat put there. */
function optionsOf(opts: StoredOptions): JobsOptions {
  return Object.fromEntries(keptOptions.flatMap((name) => (opts[name] === undefined ? [] : [[name, opts[name]]])));
}

/**
 * KEYS base; ARGV the repeat, its scheduler, its pending job or "". What is due runs once more, as an ordinary job: the
 * scheduler goes on after it.
 */
const removeScript = `
local base, key, scheduler, pending = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
if key == scheduler then return end
redis.call('ZREM', base .. 'repeat', key)
redis.call('DEL', base .. 'repeat:' .. key)
if pending == '' then return end
local job = base .. pending
if redis.call('ZSCORE', base .. 'delayed', pending) and redis.call('ZSCORE', base .. 'delayed', pending) / 0x1000 >
  redis.call('TIME')[1] * 1000 then
  redis.call('ZREM', base .. 'delayed', pending)
  redis.call('DEL', job, job .. ':logs')
elseif redis.call('EXISTS', job) == 1 then
  local read, opts = pcall(cjson.decode, redis.call('HGET', job, 'opts') or '{}')
  if read then
    opts['repeat'], opts.prevMillis, opts.repeatJobKey = nil, nil, nil
    redis.call('HSET', job, 'opts', cjson.encode(opts))
  end
  redis.call('HDEL', job, 'rjk')
end`;
