/** What is in a queue of Bull or BullMQ, of any version: by its keys alone, because a client of BullMQ's writes. */
import type { Redis } from "ioredis";
import { describe, FunboostError } from "../../src/base/errors.ts";
import { readStored } from "../../src/base/json.ts";
import type { Inspection } from "../../src/contract/index.ts";
import { isStoredByUs } from "./foreign.ts";
import { notesOf } from "./inspect-notes.ts";
import { taskId } from "./job-ids.ts";
import { readRepeats } from "./repeats.ts";

/** Read of each end of each state. */
const sampleEnd = 250;

const lists = ["wait", "paused", "active"];
const sets = ["prioritized", "delayed", "waiting-children", "completed", "failed"];
const fields = ["name", "opts", "timestamp", "parentKey", "deid", "rjk", "atm", "ats", "attemptsMade"] as const;

interface SampledJob {
  readonly id: string;
  readonly state: string;
  readonly fields: Readonly<Partial<Record<(typeof fields)[number], string>>>;
  readonly opts: Readonly<Record<string, unknown>>;
  readonly isParent: boolean;
}

/** BullMQ 3 and 4 keep markers among the ids. */
const isJobId = (id: string) => !id.startsWith("0:");

export async function inspectQueue(client: Redis, base: string): Promise<Inspection> {
  await refuseUnreadable(client, base);
  const states: Record<string, number> = {};
  for (const state of lists) states[state] = await lengthOf(client, base + state);
  for (const state of sets) states[state] = await client.zcard(base + state);
  const jobs: SampledJob[] = [];
  for (const state of [...lists, ...sets]) jobs.push(...(await sampleOf(client, base, state)));
  const { legacy, schedulers } = await readRepeats(client, base);
  const [version, paused, isPaused4] = await Promise.all([
    client.hget(`${base}meta`, "version"),
    client.hexists(`${base}meta`, "paused"),
    client.exists(`${base}meta-paused`),
  ]);
  const found = {
    states,
    ...summaryOf(jobs),
    sampled: { jobs: jobs.length, of: Object.values(states).reduce((sum, n) => sum + n, 0) },
    versions: versionsOf(jobs, base, version, isPaused4 === 1),
    paused: paused + isPaused4 > 0,
    parked: states.paused ?? 0,
    repeats: legacy.map(({ pending: _, ...repeat }) => repeat),
    schedulers,
  };
  return { ...found, notes: notesOf(found) };
}

async function lengthOf(client: Redis, list: string): Promise<number> {
  const [length, ends] = await Promise.all([client.llen(list), client.lrange(list, -2, -1)]);
  return length - ends.filter((id) => !isJobId(id)).length;
}

const types: Readonly<Record<string, string>> = {
  ...Object.fromEntries(lists.map((state) => [state, "list"])),
  ...Object.fromEntries([...sets, "repeat"].map((state) => [state, "zset"])),
  meta: "hash",
};

/** As of a version that keeps its jobs in another way, or of other software under these names. */
async function refuseUnreadable(client: Redis, base: string): Promise<void> {
  for (const [name, type] of Object.entries(types)) {
    const found = await client.type(base + name);
    if (found === type || found === "none") continue;
    const what = `its key ${describe(base + name)} is a ${found}, and in Bull 4 and BullMQ 3 to 6 a ${type}`;
    const text = `cannot read the queue: ${what}.`;
    throw new FunboostError("BROKER_REFUSED", `${text} Which version wrote it? Is the prefix right?`, {
      where: "bullmq",
    });
  }
}

async function sampleOf(client: Redis, base: string, state: string): Promise<readonly SampledJob[]> {
  const read = (from: number, to: number) =>
    lists.includes(state) ? client.lrange(base + state, from, to) : client.zrange(base + state, `${from}`, `${to}`);
  const ids = new Set([...(await read(0, sampleEnd - 1)), ...(await read(-sampleEnd, -1))].filter(isJobId));
  const all = [...ids].map(async (id): Promise<readonly SampledJob[]> => {
    const key = base + id;
    const [values, children] = await Promise.all([client.hmget(key, ...fields), client.exists(`${key}:dependencies`)]);
    const known = Object.fromEntries(fields.flatMap((name, i) => (values[i] == null ? [] : [[name, values[i]]])));
    if (Object.keys(known).length === 0) return []; // gone meanwhile
    const opts = readStored<Record<string, unknown> | null>(known.opts as string) ?? {};
    return [{ id, state, fields: known, opts, isParent: children === 1 || state === "waiting-children" }];
  });
  return (await Promise.all(all)).flat();
}

const told = ["attempts", "backoff", "priority", "delay", "lifo", "removeOnComplete", "removeOnFail", "timeout"];

function summaryOf(jobs: readonly SampledJob[]) {
  const names: Record<string, Record<string, number>> = {};
  const options: Record<string, Record<string, number>> = {};
  const count = (all: Record<string, Record<string, number>>, one: string, two: string) => {
    const inner = (all[one] ??= {});
    inner[two] = (inner[two] ?? 0) + 1;
  };
  for (const {
    fields: { name = "" },
    state,
    opts,
  } of jobs) {
    count(names, name, state);
    for (const option of told)
      if (opts[option]) count(options, option, option === "delay" ? "any" : text(opts[option]));
  }
  return {
    names,
    options,
    flows: {
      parents: jobs.filter(({ isParent }) => isParent).length,
      children: jobs.filter((job) => job.fields.parentKey).length,
    },
    deduplicated: jobs.filter((job) => job.fields.deid).length,
    ...oldestOf(jobs),
  };
}

const text = (value: unknown) => (typeof value === "object" ? JSON.stringify(value) : String(value));

function oldestOf(jobs: readonly SampledJob[]): Pick<Inspection, "oldest"> {
  const open = jobs.filter(
    ({ state, fields: { timestamp } }) => state !== "completed" && state !== "failed" && timestamp,
  );
  const at = (job: SampledJob) => Number(job.fields.timestamp);
  const [first] = [...open].sort((one, other) => at(one) - at(other));
  if (!first) return {};
  const {
    id,
    state,
    fields: { name = "" },
  } = first;
  return { oldest: { id: taskId(id), name, state, publishedAt: at(first) } };
}

/** Bull 4 writes each job's time into its options too; BullMQ 5 and 6 count attempts in fields of their own. */
function versionsOf(
  jobs: readonly SampledJob[],
  base: string,
  version: string | null,
  isPaused4: boolean,
): readonly string[] {
  const ofBull = ({ opts, fields: { rjk } }: SampledJob) => typeof opts.timestamp === "number" && rjk === undefined;
  return [
    ...(version ? [version.replace(":", " ")] : []),
    ...(isPaused4 || jobs.some(ofBull) ? ["Bull 4"] : []),
    ...(!version && jobs.some((job) => job.fields.atm ?? job.fields.ats) ? ["BullMQ 5 or 6"] : []),
    ...(jobs.some(({ fields }) => isOurs(fields, base)) ? ["funboost"] : []),
  ];
}

function isOurs({ opts, name, parentKey, rjk }: SampledJob["fields"], base: string): boolean {
  return opts !== undefined && isStoredByUs(opts, undefined, !base.endsWith(`:${name}:`), Boolean(parentKey ?? rjk));
}
