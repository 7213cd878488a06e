/** Memory store: the shared state of one process, which ends with it. */
import { clock } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import type { Results, SetEntry, Store, TimerEntry, Timers } from "../../src/contract/index.ts";
import { type Settle, waitFor } from "../shared/wait-for.ts";
import { type Expiring, expiring } from "./expiring.ts";
import { type Due, type Heap, heap } from "./heap.ts";

interface Timer extends Due {
  readonly id: string;
  readonly payload: string;
  leased: boolean;
}

interface TimerQueue {
  readonly byId: Map<string, Timer>;
  readonly due: Heap<Timer>;
}

/**
 * A store for one process: results, limits and timers without a server.
 *
 * @example
 * configure({ store: memoryStore() });
 */
export function memoryStore(): Store {
  const values = expiring<string>();
  const reserved = expiring<number>();
  const held = leases();
  const lists = expiring<string[]>();
  const timers = new Map<string, TimerQueue>();
  const notices = channels();
  const results = outcomes();
  return {
    name: "memory",
    scope: "process",
    durable: false,
    get: async (keys) => keys.map((key) => values.get(key)),
    async set(entries) {
      const now = clock.monotonic();
      return entries.map((entry) => setOne(values, entry, now));
    },
    async delete(keys) {
      for (const key of keys) values.delete(key);
    },
    increment: async (counters) => counters.map((counter) => increment(values, counter)),
    reserve: async (key, options) => reserve(reserved, key, options),
    lease: held.lease,
    release: held.release,
    timers: timersOf(timers),
    list: listsOf(lists),
    notify: notices.notify,
    subscribe: notices.subscribe,
    results,
    async close() {
      for (const each of [values, reserved, held, lists, timers, notices, results]) each.clear();
    },
  };
}

function endOf(ttlMs: number | undefined, now = clock.monotonic()): number {
  return ttlMs === undefined ? Number.POSITIVE_INFINITY : now + ttlMs;
}

function listsOf(lists: Expiring<string[]>): Store["list"] {
  return {
    async append(key, items, ttlMs) {
      const list = lists.get(key) ?? [];
      for (const item of items) list.push(item);
      lists.put(key, list, endOf(ttlMs));
    },
    read: async (key, from, limit) => (lists.get(key) ?? []).slice(from, from + limit),
  };
}

function setOne(values: Expiring<string>, { key, value, ttlMs, if: condition }: SetEntry, now: number): boolean {
  const current = condition && values.get(key);
  if (condition === "absent" && current !== undefined) return false;
  if (typeof condition === "object" && current !== condition.equals) return false;
  values.put(key, value, endOf(ttlMs, now));
  return true;
}

function increment(
  values: Expiring<string>,
  { key, by, ttlMs }: { readonly key: string; readonly by: number; readonly ttlMs?: number },
): number {
  const sum = Number(values.get(key) ?? 0) + by;
  values.put(key, String(sum), values.until(key) ?? endOf(ttlMs));
  return sum;
}

/**
 * What is kept is the time of the next start; it ends when that start would be more than the slack late. The next one then counts from now,
 * where starts are further apart than the slack; else from the slack ago, because late timers are the rule there.
 */
function reserve(
  reserved: Expiring<number>,
  key: string,
  options: { readonly perMs: number; readonly count: number; readonly slackMs: number },
): number[] {
  const { perMs, count, slackMs } = options;
  const now = clock.monotonic();
  const first = reserved.get(key) ?? (perMs > slackMs ? now : now - slackMs);
  reserved.put(key, first + count * perMs, first + count * perMs + slackMs);
  return Array.from({ length: count }, (_, index) => Math.max(0, first + index * perMs - now));
}

function leases() {
  const held = expiring<{ readonly owner: string; readonly fence: number }>();
  let fences = 0; // one row of numbers for all names: a lease that is over needs no memory of its own
  return {
    async lease(name: string, owner: string, ttlMs: number, term?: number) {
      const current = held.get(name);
      if ((current && current.owner !== owner) || (term !== undefined && current?.fence !== term)) return null;
      const fence = current?.fence ?? ++fences;
      held.put(name, { owner, fence }, endOf(ttlMs));
      return { fence };
    },
    async release(name: string, owner: string) {
      if (held.get(name)?.owner === owner) held.delete(name);
    },
    clear: () => held.clear(),
  };
}

function timersOf(queues: Map<string, TimerQueue>): Timers {
  let sequence = 0;
  const add = (queue: TimerQueue, { id, dueInMs, payload }: TimerEntry) => {
    drop(queue, id);
    const timer: Timer = {
      id,
      payload,
      leased: false,
      dueAt: clock.monotonic() + dueInMs,
      sequence: ++sequence,
      slot: -1,
    };
    queue.byId.set(id, timer);
    queue.due.add(timer);
  };
  return {
    async add(name, entries) {
      const queue = queues.get(name) ?? { byId: new Map<string, Timer>(), due: heap<Timer>() };
      queues.set(name, queue);
      for (const entry of entries) add(queue, entry);
    },
    lease: async (name, limit, ttlMs) => leaseDue(queues.get(name), limit, ttlMs),
    async ack(name, ids) {
      const queue = queues.get(name);
      // One that was replaced since is not leased: it is a later message under the same id.
      for (const id of ids) if (queue?.byId.get(id)?.leased) drop(queue, id);
    },
    async remove(name, ids) {
      const queue = queues.get(name);
      if (!queue) return [];
      const now = clock.monotonic();
      return ids.filter((id) => !isLeased(queue.byId.get(id), now) && drop(queue, id));
    },
    count: async (name) => queues.get(name)?.byId.size ?? 0,
    clear: async (name) => void queues.delete(name),
  };
}

function isLeased(timer: Timer | undefined, now: number): boolean {
  return timer?.leased === true && timer.dueAt > now;
}

function drop(queue: TimerQueue, id: string): boolean {
  const timer = queue.byId.get(id);
  return timer !== undefined && queue.due.remove(timer) && queue.byId.delete(id);
}

/** A leased one is due again when its lease ends. */
function leaseDue(queue: TimerQueue | undefined, limit: number, ttlMs: number) {
  const now = clock.monotonic();
  const entries: Timer[] = [];
  for (
    let timer = queue?.due.first();
    queue && timer && timer.dueAt <= now && entries.length < limit;
    timer = queue.due.first()
  ) {
    queue.due.remove(timer);
    timer.leased = true;
    timer.dueAt = now + ttlMs;
    queue.due.add(timer);
    entries.push(timer);
  }
  const next = queue?.due.first();
  return {
    entries: entries.map(({ id, payload }) => ({ id, payload })),
    ...(next ? { nextDueMs: Math.max(0, next.dueAt - now) } : {}),
  };
}

function channels() {
  const listeners = new Map<string, Set<(text: string) => void>>();
  return {
    async notify(channel: string, text: string) {
      const there = listeners.get(channel);
      for (const listener of there ?? []) queueMicrotask(() => there?.has(listener) && listener(text));
    },
    async subscribe(channel: string, listen: (text: string) => void) {
      const own = (text: string) => listen(text); // the same function may subscribe twice
      const there = listeners.get(channel) ?? new Set();
      listeners.set(channel, there.add(own));
      return () => {
        there.delete(own);
        if (there.size === 0 && listeners.get(channel) === there) listeners.delete(channel);
      };
    },
    clear: () => listeners.clear(),
  };
}

function outcomes(): Results & { clear(): void } {
  const queues = new Map<string, Expiring<string>>();
  const waits = new Map<string, Set<Settle>>();
  const keyOf = (queue: string, id: string) => `${queue.length}:${queue}${id}`;
  const answer = (key: string, outcome: string | Error) => {
    for (const settle of waits.get(key) ?? []) settle(outcome);
  };
  return {
    async put(queue, results) {
      const now = clock.monotonic();
      const known = queues.get(queue) ?? expiring<string>();
      queues.set(queue, known);
      for (const { id, outcome, ttlMs } of results) {
        if (known.get(id) !== undefined) continue;
        known.put(id, outcome, endOf(ttlMs, now));
        if (waits.size > 0) answer(keyOf(queue, id), outcome);
      }
    },
    get: async (queue, ids) => ids.map((id) => queues.get(queue)?.get(id)),
    async delete(queue, ids) {
      for (const id of ids) queues.get(queue)?.delete(id);
    },
    async wait(queue, id, signal) {
      signal.throwIfAborted();
      return queues.get(queue)?.get(id) ?? waitFor(waits, keyOf(queue, id), signal);
    },
    clear() {
      queues.clear();
      for (const key of [...waits.keys()])
        answer(
          key,
          new FunboostError("STORE", "the store was closed while a result was waited for.", { where: "memory" }),
        );
    },
  };
}
