/** What can be done with one queue of a SQLite file. All of it runs inside a transaction of the caller's. */
import { bodyText } from "../../src/base/json.ts";
import type { BrokerQueue, Counts, MessageState } from "../../src/contract/index.ts";
import type { SettledDelivery } from "../shared/poll.ts";
import type { RescueTime } from "../shared/rescue-time.ts";
import { jsonText, type SqliteFile } from "./file.ts";
import { batchChars, bodyFrom, type NewRow, type ReadyRow, type SqliteDelivery, toDelivery } from "./rows.ts";
import { aheadRank, sql } from "./sql.ts";

type Edit = Parameters<NonNullable<BrokerQueue["update"]>>[1];

const number = (file: SqliteFile, text: string, values: readonly (string | number)[] = []) =>
  file.get<{ n: number | null }>(text, values)?.n ?? undefined;

/** The number of a queue, made at its first use. */
export function queueNumber(file: SqliteFile, name: string): number {
  file.run(sql.addQueue, [name]);
  return number(file, sql.queue, [name]) as number;
}

export type QueueOperations = ReturnType<typeof createQueueOperations>;

/** The operations of one queue. */
export function createQueueOperations(file: SqliteFile, queue: number) {
  const isPaused = () => number(file, sql.paused, [queue]) === 1;
  const nextDueMs = () => number(file, sql.nextDue, [queue]);
  return {
    isPaused,
    nextDueMs,
    setPaused: (paused: boolean) => file.run(sql.setPaused, [paused ? 1 : 0, queue]),
    /** Cheap, and without the write lock. */
    hasWork: () => !isPaused() && (number(file, sql.exists, [queue]) === 1 || (nextDueMs() ?? 1) <= 0),
    insert: (rows: readonly NewRow[]) => insertRows(file, queue, rows),
    /** Takes up to `take` for `owner`. */
    claim(owner: number, take: number): { readonly deliveries: readonly SqliteDelivery[]; readonly more: boolean } {
      if ((nextDueMs() ?? 1) <= 0) file.run(sql.promote, [queue, take]);
      let fits = take;
      while (fits > 1 && (number(file, sql.bytes, [queue, fits]) ?? 0) > batchChars) fits = Math.ceil(fits / 2);
      const rows = readyRows(file, queue, fits);
      if (rows.length > 0) file.run(sql.claim, [owner, JSON.stringify(rows.map(([ord]) => ord))]);
      return { deliveries: rows.map((each) => deliveryOf(file, each, owner)), more: rows.length === fits };
    },
    settle: (owner: number, ended: readonly SettledDelivery<SqliteDelivery>[]) => settle(file, owner, ended),
    ...createLeases(file, queue),
    ...createControls(file, queue),
  };
}

function createLeases(file: SqliteFile, queue: number) {
  const renew = (owner: number, leaseMs: number) => file.run(sql.renew, [leaseMs, owner]) === 1;
  return {
    renew,
    /** The owner under which this consumer may claim: the one it had, while nobody has declared it dead. */
    lease(owner: number | undefined, leaseMs: number): number {
      if (owner !== undefined && renew(owner, leaseMs)) return owner;
      file.run(sql.addOwner, [queue, leaseMs]);
      return number(file, sql.newest) as number;
    },
    removeOwner: (owner: number) => file.run(sql.removeOwner, [owner]),
    isAlive: (owner: number) => number(file, sql.alive, [owner]) === 1,
    /** Gives back what leases held that lapsed some time ago, at its old place; answers whether there was any. */
    rescue({ afterMs, beforeMs }: RescueTime): boolean {
      const owners = file.json<readonly number[]>(sql.lapsed, [queue, afterMs, beforeMs, afterMs]);
      for (const owner of owners) {
        file.run(sql.rescue, [queue, owner]);
        file.run(sql.removeOwner, [owner]);
      }
      file.run(sql.noteLapsed, [queue, beforeMs]);
      return owners.length > 0;
    },
  };
}

function readyRows(file: SqliteFile, queue: number, most: number): readonly ReadyRow[] {
  try {
    return file.json<readonly ReadyRow[]>(sql.ready, [queue, most]);
  } catch (error) {
    if (!String(error).includes("BLOB")) throw error;
    return file.json<readonly ReadyRow[]>(sql.readyBesideBlobs, [queue, most]);
  }
}

function deliveryOf(file: SqliteFile, row: ReadyRow, owner: number): SqliteDelivery {
  const delivery = toDelivery(row, owner);
  return isSound(row[6]) ? delivery : { ...delivery, ...bodyOf(file, row[0]) };
}

/** What was no UTF-8 has been read with replacement characters. */
const isSound = (body: string | null): body is string => body !== null && !body.includes("\ufffd");

function bodyOf(file: SqliteFile, ord: number): ReturnType<typeof bodyFrom> {
  const { type, hex } = file.get<{ type: string; hex: string }>(sql.body, [ord]) as { type: string; hex: string };
  return bodyFrom(type, hex);
}

function createControls(file: SqliteFile, queue: number) {
  return {
    counts(): Counts {
      const { ready, due, delayed, running } = file.get<Required<Counts> & { due: number }>(sql.counts, [
        queue,
        queue,
        queue,
        queue,
      ]) as Required<Counts> & {
        due: number;
      };
      return { ready: ready + due, delayed, running };
    },
    peek(n: number) {
      file.run(sql.promote, [queue, n]);
      return file
        .json<readonly (readonly [number, string, string | null])[]>(sql.peek, [queue, n])
        .map(([ord, id, body]) => ({ id, body: isSound(body) ? body : bodyOf(file, ord).body }));
    },
    top: () => number(file, sql.top) ?? 0,
    /** Removes at most twice `limit` of those that were there when `top` was read. */
    clear: (top: number, limit: number) =>
      file.run(sql.clearWaiting, [queue, top, limit]) + file.run(sql.clearDelayed, [queue, top, limit]),
    cancel(ids: readonly string[]): readonly string[] {
      const waiting = file.json<readonly string[]>(sql.waitingIds, [queue, jsonText(ids)]);
      if (waiting.length > 0) file.run(sql.cancel, [queue, jsonText(waiting)]);
      return waiting;
    },
    state: (id: string): MessageState => file.get<{ state: MessageState }>(sql.state, [queue, id])?.state ?? "unknown",
    reschedule: (id: string, delayMs: number) => file.run(sql.reschedule, [Math.ceil(delayMs), queue, id]) === 1,
    update(id: string, edit: Edit): boolean {
      const ord = number(file, sql.unstarted, [queue, id]);
      if (ord === undefined) return false;
      const body = edit({ body: bodyOf(file, ord).body, ours: true });
      if (body !== undefined) file.run(sql.setBody, [typeof body === "string" ? body : bodyText(body), ord]);
      return true;
    },
  };
}

/** Answers for each row whether it was new. */
function insertRows(file: SqliteFile, queue: number, rows: readonly NewRow[]): readonly boolean[] {
  const insert = (some: readonly NewRow[]) => {
    const base = some.some(([, rank]) => rank === aheadRank) ? (number(file, sql.lowest) ?? 0) : 0;
    return file.run(sql.insert, [base, queue, jsonText(some)]);
  };
  if (rows.length === 1) return [insert(rows) === 1];
  file.run("savepoint rows");
  let fresh: readonly boolean[] = rows.map(() => true);
  if (insert(rows) !== rows.length) {
    file.run("rollback to rows"); // some were known: find out which
    fresh = rows.map((each) => insert([each]) === 1);
  }
  file.run("release rows");
  return fresh;
}

function settle(file: SqliteFile, owner: number, ended: readonly SettledDelivery<SqliteDelivery>[]): void {
  const places = (...outcomes: readonly string[]) =>
    ended.filter(({ settlement }) => outcomes.includes(settlement.outcome)).map(({ delivery }) => delivery.native.ord);
  const over = places("done", "failed");
  const returned = places("returned", "moved");
  if (over.length > 0) file.run(sql.remove, [JSON.stringify(over), owner]);
  if (returned.length > 0) file.run(sql.giveBack, [JSON.stringify(returned), owner]);
  for (const { delivery, settlement } of ended) {
    const { ord } = delivery.native;
    if (settlement.outcome === "retry") file.run(sql.again, [1, Math.ceil(settlement.delayMs), ord, owner]);
    if (settlement.outcome === "postponed") file.run(sql.again, [0, Math.ceil(settlement.delayMs), ord, owner]);
  }
}
