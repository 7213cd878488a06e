/** The collection of Agenda's MongoDB backend: commands for what must be one step, or one round trip. */
import { randomBytes } from "node:crypto";
import type { AgendaBackend } from "agenda";
import { clock } from "../../src/base/clock.ts";
import { answerInTime } from "./answer-in-time.ts";
import { type AgendaTable, type Fence, type NewJob, ownerPrefix, type UnlockedRow } from "./table.ts";

/** The parts of the driver that are used here; the driver itself comes with the backend. */
type Id = { toHexString(): string };
type Filter = Readonly<Record<string, unknown>>;
interface Collection {
  insertMany(docs: readonly Filter[], options: { ordered: false }): Promise<unknown>;
  deleteOne(filter: Filter): Promise<{ deletedCount: number }>;
  updateOne(filter: Filter, update: Filter): Promise<{ matchedCount: number }>;
  updateMany(filter: Filter, update: Filter): Promise<{ matchedCount: number }>;
  aggregate(stages: readonly Filter[]): { toArray(): Promise<{ ready: number; delayed: number; running: number }[]> };
  find(
    filter: Filter,
    options?: Filter,
  ): { toArray(): Promise<{ _id: Id; nextRunAt?: Date; lastModifiedBy?: string | null }[]> };
  initializeUnorderedBulkOp(): { insert(doc: object): unknown };
}
export interface Repository {
  readonly collection?: Collection;
  getDb?(): { command(command: Filter): Promise<{ localTime?: Date }> };
}

/** Half of a surrogate pair, in a JSON text. */
const halfPair = /(?<!\\)(?:\\\\)*\\ud[89a-f]../i;

const inOrder = { sort: { nextRunAt: 1, priority: -1 }, projection: { _id: 1, nextRunAt: 1 } } as const;

type IdsOf = (filter: Filter, options?: Filter) => Promise<readonly string[]>;

export function createMongoTable(backend: AgendaBackend): AgendaTable {
  const repository = backend.repository as Repository;
  const jobs = () => answerInTime(repository.collection as Collection);
  const idOf = createIds(jobs);
  const ids: IdsOf = async (filter, options = { projection: { _id: 1 } }) =>
    (await jobs().find(filter, options).toArray()).map(({ _id }) => _id.toHexString());
  return {
    keepsValues: true,
    unfit: {
      pattern: halfPair,
      says: "MongoDB cannot hold half a surrogate pair. Encode the text, as base64 for example.",
    },
    newId: () =>
      `${Math.floor(clock.now() / 1000)
        .toString(16)
        .padStart(8, "0")
        .slice(-8)}${randomBytes(8).toString("hex")}`,
    idFrom: (bytes) => bytes.toString("hex").slice(0, 24),
    isId: (text) => /^[0-9a-f]{24}$/.test(text),
    ...writing(jobs, idOf),
    ...waitingJobs(jobs, idOf, ids),
    async now() {
      const db = repository.getDb && answerInTime(repository.getDb());
      const ask = (command: Filter) => db?.command(command);
      const answer = await ask({ hello: 1 })?.catch(() => ask({ isMaster: 1 })); // the older name
      return answer?.localTime?.getTime() ?? clock.now();
    },
    expired: (name, ours, others) =>
      ids({
        name,
        $or: [
          { lockedAt: { $lte: ours }, lastModifiedBy: { $regex: `^${ownerPrefix}` } },
          { lockedAt: { $lte: others } },
        ],
      }),
  };
}

/** Under the fence of a lock; each row by itself, because a bulk write does not say which of its rows were found. */
function writing(jobs: () => Collection, idOf: (hex: string) => Id) {
  const fence = ({ id, token, notAfter }: Fence) => ({
    _id: idOf(id),
    lastModifiedBy: token,
    lockedAt: notAfter ? { $ne: null, $lte: notAfter } : { $ne: null },
  });
  return {
    insert: (name, list) => insert(jobs(), name, list, idOf),
    remove: (_name, list) =>
      Promise.all(list.map(async (each) => (await jobs().deleteOne(fence(each))).deletedCount === 1)),
    unlock: (_name, rows) =>
      Promise.all(
        rows.map(async (row) => (await jobs().updateOne(fence(row), { $set: fieldsOf(row) })).matchedCount === 1),
      ),
    renew: (list, lockedAt) => renew(jobs(), list, lockedAt, idOf),
  } satisfies Partial<AgendaTable>;
}

function waitingJobs(jobs: () => Collection, idOf: (hex: string) => Id, ids: IdsOf) {
  const free = { lockedAt: null } as const;
  async function change(name: string, id: string, fields: Filter): Promise<boolean> {
    const unstarted = { _id: idOf(id), name, ...free, nextRunAt: { $ne: null } };
    return (await jobs().updateOne(unstarted, { $set: fields })).matchedCount === 1;
  }
  return {
    async counts(name, now) {
      const [ready = 0, delayed = 0, running = 0] = await countAll(jobs(), name, now);
      return { ready, delayed, running };
    },
    async nextDueAt(name, now) {
      const [next] = await jobs()
        .find({ name, ...free, disabled: { $ne: true }, nextRunAt: { $gt: now } }, { ...inOrder, limit: 1 })
        .toArray();
      return next?.nextRunAt?.getTime();
    },
    first: (name, n, now) => ids({ name, ...free, nextRunAt: { $lte: now, $ne: null } }, { ...inOrder, limit: n }),
    async removeWaiting(name, some) {
      const waiting = { name, ...free, nextRunAt: { $ne: null } };
      const found = some ?? (await ids(waiting));
      const removed = await Promise.all(
        found.map(async (id) => (await jobs().deleteOne({ _id: idOf(id), ...waiting })).deletedCount === 1),
      );
      return found.filter((_, i) => removed[i]);
    },
    reschedule: (name, id, nextRunAt) => change(name, id, { nextRunAt }),
    update: (name, id, data) => change(name, id, { data }),
  } satisfies Partial<AgendaTable>;
}

/** In one pass, so that none is missed that changes its state meanwhile. */
async function countAll(jobs: Collection, name: string, now: Date): Promise<readonly number[]> {
  const when = (condition: unknown) => ({ $sum: { $cond: [condition, 1, 0] } });
  const free = { $eq: [{ $ifNull: ["$lockedAt", null] }, null] };
  const isSet = { $ne: [{ $ifNull: ["$nextRunAt", null] }, null] };
  const [found] = await jobs
    .aggregate([
      { $match: { name } },
      {
        $group: {
          _id: null,
          ready: when({ $and: [free, isSet, { $lte: ["$nextRunAt", now] }] }),
          delayed: when({ $and: [free, isSet, { $gt: ["$nextRunAt", now] }] }),
          running: when({ $not: [free] }),
        },
      },
    ])
    .toArray();
  return found ? [found.ready, found.delayed, found.running] : [];
}

/** The driver's own class of ids, without loading the driver a second time: another copy's ids are refused. */
function createIds(jobs: () => Collection): (hex: string) => Id {
  let known: (new (hex: string) => Id) | undefined;
  return (hex) => {
    if (!known) {
      const sample: { _id?: Id } = {};
      jobs().initializeUnorderedBulkOp().insert(sample); // never executed: it only gets an id
      known = sample._id?.constructor as new (hex: string) => Id;
    }
    return new known(hex);
  };
}

async function insert(
  jobs: Collection,
  name: string,
  list: readonly NewJob[],
  idOf: (hex: string) => Id,
): Promise<readonly boolean[]> {
  const docs = list.map(({ id, data, nextRunAt, rank, publishedAt, failCount }) => ({
    ...blank,
    ...{ _id: idOf(id), name, data, nextRunAt, priority: 0 - rank, failCount },
    ...(publishedAt ? { startDate: publishedAt } : {}),
  }));
  try {
    await jobs.insertMany(docs, { ordered: false });
    return list.map(() => true);
  } catch (error) {
    const found = (error as { writeErrors?: unknown }).writeErrors;
    const refused = (Array.isArray(found) ? found : [found]) as ({ code?: number; index?: number } | undefined)[];
    // The driver also reports a broken connection as a bulk error, with no row to blame.
    if (refused.length === 0 || refused.some((each) => each?.code !== 11_000)) throw error;
    const existing = new Set(refused.map((each) => each?.index));
    return list.map((_, i) => !existing.has(i));
  }
}

async function renew(
  jobs: Collection,
  list: readonly Fence[],
  lockedAt: Date,
  idOf: (hex: string) => Id,
): Promise<readonly boolean[]> {
  const mine = {
    _id: { $in: list.map(({ id }) => idOf(id)) },
    lastModifiedBy: { $in: list.map(({ token }) => token) },
    lockedAt: { $ne: null },
  };
  const { matchedCount } = await jobs.updateMany(mine, { $set: { lockedAt } });
  if (matchedCount === list.length) return list.map(() => true);
  const found = await jobs.find(mine, { projection: { lastModifiedBy: 1 } }).toArray();
  const ours = new Set(found.map(({ _id, lastModifiedBy }) => `${_id.toHexString()} ${lastModifiedBy}`));
  return list.map(({ id, token }) => ours.has(`${id} ${token}`));
}

function fieldsOf(row: UnlockedRow): Filter {
  const { id: _, token: __, notAfter: ___, rank, ...fields } = row;
  return { ...fields, lockedAt: null, ...(rank === undefined ? {} : { priority: 0 - rank }) };
}

/** A row as Agenda writes it, before anything has happened to it. */
const blank = {
  type: "normal",
  ...Object.fromEntries(
    [
      ...[
        "lockedAt",
        "lastFinishedAt",
        "failedAt",
        "failReason",
        "repeatTimezone",
        "lastRunAt",
        "repeatInterval",
        "repeatAt",
        "disabled",
      ],
      ...["progress", "debounceStartedAt", "fork", "endDate", "skipDays", "lastModifiedBy"],
    ].map((field) => [field, null]),
  ),
};
