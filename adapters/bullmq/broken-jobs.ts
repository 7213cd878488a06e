/** Jobs whose hash somebody has written by hand: BullMQ takes them, and what reads them then throws, without a name. */
import type { Job, JobJson, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { Settlement } from "../../src/contract/broker.ts";
import { seeWhose } from "./foreign.ts";
import { taskId } from "./job-ids.ts";
import { moveBackToWait } from "./major.ts";

/** Members of a hash that BullMQ parses before anybody else sees the job. */
const members = ["opts", "progress", "parent"];

/** Why a job is a bad message; beside BullMQ's own options, because nothing else of a hash comes with it. */
export type BrokenOptions = { readonly unreadable?: string };

/** Data that is no JSON comes as the text that it is, and is kept as one: Bull's tools stumble over it too. */
function readBrokenData(worker: Worker, client: Redis, report: (error: unknown) => void): void {
  const maker = worker as unknown as { createJob(json: JobJson, id: string): Job }; // protected to the compiler only
  const create = maker.createJob.bind(worker);
  const createJob = (json: JobJson, id: string) => {
    const job = create(json, id);
    seeWhose(job, json, worker.name);
    return job;
  };
  maker.createJob = (json, id) => {
    try {
      return createJob(json, id);
    } catch {
      const data = JSON.stringify(json.data);
      client.hset(worker.toKey(id), "data", data).catch(report);
      const job = createJob({ ...json, data }, id);
      job.opts = { ...job.opts, ...({ unreadable: unreadable("data", json.data) } satisfies BrokenOptions) };
      return job;
    }
  };
}

const unreadable = (member: string, text: unknown) =>
  `the job's ${member} ${JSON.stringify(String(text).slice(0, 100))} is no JSON.`;

/** What a worker holds of a job. */
export interface Held {
  /** From when its end is on its way to the server. */
  settlement: Settlement | undefined;
  /** Its end is in force, though BullMQ does not say so. */
  moved: boolean;
}

/**
 * Data that is no JSON comes as the text that it is. What a worker has taken, cannot read and does not know of is given
 * a hash that can be read, with the reason, and goes back: it comes again as a bad message. All other errors of the
 * worker go to `report`.
 */
export function seeToBrokenJobs(
  worker: Worker,
  client: Redis,
  held: ReadonlyMap<Job, Held>,
  report: (error: unknown) => void,
): void {
  let last = Promise.resolve();
  const repair = async (error: unknown) => {
    const known = new Set([...held.keys()].map(({ id }) => id));
    const unknown = (await client.lrange(worker.toKey("active"), 0, -1)).filter((id) => !known.has(id));
    // Most are those of other workers.
    const locks = unknown.length > 0 ? await client.mget(unknown.map((id) => `${worker.toKey(id)}:lock`)) : [];
    const repaired = await Promise.all(
      unknown.map((id, i) => locks[i]?.startsWith(`${worker.id}:`) && repairOne(worker, client, id, locks[i])),
    );
    if (!repaired.includes(true)) report(error);
  };
  readBrokenData(worker, client, report);
  worker.on("error", (error) => {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) return report(error);
    // It came with the answer to the end of another, which nobody reads now.
    for (const entry of held.values()) if (entry.settlement) entry.moved = true;
    last = last.then(() => repair(error)).catch(report);
  });
}

async function repairOne(worker: Worker, client: Redis, id: string, token: string): Promise<boolean> {
  const key = worker.toKey(id);
  const values = await client.hmget(key, ...members);
  const broken = members.filter((member, i) => values[i] && !isRead(member, values[i] as string));
  if (broken.length === 0) return false;
  const reasons = broken.map((member) => unreadable(member, values[members.indexOf(member)]));
  const opts = broken.includes("opts") ? {} : (JSON.parse(values[0] || "{}") as object);
  const marked: BrokenOptions = { ...opts, unreadable: reasons.join(" ") };
  const transaction = client.multi().hdel(key, ...broken);
  await transaction.hset(key, "opts", JSON.stringify(marked)).exec();
  await moveBackToWait(worker, id, token);
  return true;
}

function isRead(member: string, text: string): boolean {
  try {
    return JSON.parse(text) !== null || member !== "opts";
  } catch {
    return false;
  }
}

/** The first `n` that wait; of what cannot be read the text of its data. */
export async function peek(queue: Queue, client: Redis, n: number) {
  if (n < 1) return [];
  const [parked, waiting, prioritized] = await Promise.all([
    client.lrange(queue.toKey("paused"), -n, -1), // BullMQ 6 does not read what BullMQ 5 has parked
    queue.getRanges(["wait"], 0, n - 1, true),
    queue.getRanges(["prioritized"], 0, n - 1, true),
  ]);
  const first = [...parked.reverse(), ...waiting, ...prioritized].slice(0, n);
  const peeked = first.map(async (id) => {
    const job = (await queue.getJob(id).catch(() => null)) as Job | null | undefined;
    if (job === undefined) return []; // gone meanwhile
    return [{ id: taskId(id), body: job ? (job.data as unknown) : await client.hget(queue.toKey(id), "data") }];
  });
  return (await Promise.all(peeked)).flat();
}
