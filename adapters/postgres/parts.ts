/** Lists, maps, indexes and timers of the PostgreSQL store. */
import { randomUUID } from "node:crypto";
import type {
  Field,
  From,
  Index,
  LeasedTimers,
  Maps,
  MapWritten,
  Page,
  Store,
  Timers,
  WaitingTimer,
} from "../../src/contract/index.ts";
import type { Batches } from "./batches.ts";

type Call = Batches["call"];

export const keyLocks = (keys: readonly { readonly key: string }[]) => keys.map(({ key }) => `k${key}`);
export const leaseLock = (name: string) => `l${name}`;
const queueLocks = (entries: readonly { readonly queue: string }[]) => [
  ...new Set(entries.map(({ queue }) => `t${queue}`)),
];
const known = <T>(values: readonly (T | null)[]) => values.map((value) => value ?? undefined);

export function createLists(call: Call): Store["list"] {
  return {
    append: (entries) =>
      call(
        "append",
        entries.map(({ key, items, ttlMs }) => [key, items, ttlMs]),
        keyLocks(entries),
      ),
    read: (key, from, limit) => call("read_list", [key, from, limit]),
  };
}

export function createMaps(call: Call): Maps {
  return {
    async put(entries) {
      const rows = entries.map(({ key, fields, ttlMs, holding, ...how }) => [
        key,
        fields,
        how.if === "absent",
        ttlMs,
        holding?.lease,
        holding?.fence,
      ]);
      const leases = entries.flatMap(({ holding }) => (holding ? [leaseLock(holding.lease)] : []));
      const all = await call<[boolean[] | null, number][]>("put_map", rows, [...keyLocks(entries), ...leases]);
      return all.map(
        ([written, size], i): MapWritten =>
          written ? { written, size } : { written: (entries[i]?.fields ?? []).map(() => false), size, lost: true },
      );
    },
    get: async (key, fields) => known(await call<(string | null)[]>("get_map", [key, fields])),
    async read(key, { after, limit }) {
      const rows = await call<Field[]>("read_map", [key, after, limit + 1]);
      return pageOf(rows, limit, ([field]) => field);
    },
    remove: (key, fields) => call("remove_map", [key, fields], keyLocks([{ key }])),
  };
}

/** One more than the limit was read: that there is one tells that this page is not the last. */
function pageOf<T>(rows: readonly T[], limit: number, idOf: (row: T) => string) {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return rows.length > limit && last !== undefined ? { items, after: idOf(last) } : { items };
}

export function createIndex(call: Call): Index {
  return {
    put: async (name, members) =>
      void (await call("put_index", [name, members.map(({ id, value, ttlMs }) => [id, value, ttlMs])], [`i${name}`])),
    remove: async (name, ids) => void (await call("remove_index", [name, ids], [`i${name}`])),
    async read(name, { after, limit, prefix = "" }) {
      const rows = await call<[string, string][]>("read_index", [name, after, prefix, limit + 1]);
      const page = pageOf(rows, limit, ([id]) => id);
      const items = page.items.filter(([id]) => id.startsWith(prefix)).map(([id, value]) => ({ id, value }));
      const isLast = items.length < page.items.length || rows.at(limit)?.[0].startsWith(prefix) === false;
      return page.after === undefined || isLast ? { items } : { items, after: page.after };
    },
    count: (name) => call("count_index", [name]),
  };
}

export function createTimers(call: Call): Timers {
  return {
    add: async (entries) =>
      void (await call(
        "add_timers",
        entries.map(({ queue, id, dueInMs, payload }) => [queue, id, dueInMs, payload]),
        queueLocks(entries),
      )),
    lease: (queues, how) => leaseTimers(call, queues, how),
    ack: (leased) =>
      call(
        "ack_timers",
        leased.map(({ queue, id, token }) => [queue, id, token]),
        queueLocks(leased),
      ),
    remove: (entries) =>
      call(
        "remove_timers",
        entries.map(({ queue, id }) => [queue, id]),
        queueLocks(entries),
      ),
    read: (queue, from) => readTimers(call, queue, from),
    count: (queues) => call("count_timers", queues),
    clear: async (queues) => void (await call("clear_timers", queues, queueLocks(queues.map((queue) => ({ queue }))))),
  };
}

async function readTimers(call: Call, queue: string, { after, limit }: From): Promise<Page<WaitingTimer>> {
  const [due, id] = after === undefined ? [Number.MIN_SAFE_INTEGER, ""] : (JSON.parse(after) as [number, string]);
  const rows = await call<[string, string, number, boolean, number][]>("read_timers", [queue, due, id, limit + 1]);
  const page = pageOf(rows, limit, (row) => JSON.stringify([row[4], row[0]]));
  const items = page.items.map(([name, payload, dueInMs, leased]) => ({ id: name, payload, dueInMs, leased }));
  return { ...page, items };
}

async function leaseTimers(
  call: Call,
  queues: readonly string[],
  { limit, ttlMs }: Parameters<Timers["lease"]>[1],
): Promise<LeasedTimers> {
  const token = randomUUID();
  const [rows, nextDueMs] = await call<[[string, string, string][], number | null]>(
    "lease_timers",
    [queues, limit, ttlMs, token],
    queueLocks(queues.map((queue) => ({ queue }))),
  );
  const entries = rows.map(([queue, id, payload]) => ({ queue, id, payload, token }));
  return nextDueMs === null ? { entries } : { entries, nextDueMs };
}
