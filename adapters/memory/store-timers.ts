/** The timers of the memory store. */
import { clock } from "../../src/base/clock.ts";
import type { From, LeasedTimers, Page, TimerEntry, Timers, WaitingTimer } from "../../src/contract/index.ts";
import { yielding } from "../shared/yielding.ts";
import { createHeap, type Due, type Heap } from "./heap.ts";

interface Timer extends Due {
  readonly queue: string;
  readonly id: string;
  readonly payload: string;
  /** Of its last lease. */
  token: string | undefined;
}

export interface TimerQueue {
  readonly byId: Map<string, Timer>;
  readonly due: Heap<Timer>;
}

export function createTimers(queues: Map<string, TimerQueue>): Timers {
  let sequence = 0;
  let tokens = 0;
  return {
    async add(entries) {
      for (const entry of entries) addTimer(queues, entry, ++sequence);
    },
    lease: async (names, { limit, ttlMs }) =>
      leaseDue(
        names.flatMap((name) => queues.get(name) ?? []),
        limit,
        ttlMs,
        `${++tokens}`,
      ),
    ack: async (leased) =>
      leased.map(({ queue: name, id, token }) => {
        const queue = queues.get(name);
        return queue?.byId.get(id)?.token === token && drop(queue, id);
      }),
    async remove(entries) {
      const now = clock.monotonic();
      return entries.map(({ queue: name, id }) => {
        const queue = queues.get(name);
        return queue !== undefined && !isLeased(queue.byId.get(id), now) && drop(queue, id);
      });
    },
    read: async (name, from) => readTimers(queues.get(name)?.due.all() ?? [], from),
    count: async (names) => names.map((name) => queues.get(name)?.byId.size ?? 0),
    async clear(names) {
      for (const name of names) queues.delete(name);
    },
  };
}

function addTimer(
  queues: Map<string, TimerQueue>,
  { queue: name, id, dueInMs, payload }: TimerEntry,
  sequence: number,
): void {
  const queue = queues.get(name) ?? { byId: new Map<string, Timer>(), due: createHeap<Timer>() };
  queues.set(name, queue);
  drop(queue, id);
  const dueAt = clock.monotonic() + dueInMs;
  const timer: Timer = { queue: name, id, payload, token: undefined, dueAt, sequence, slot: -1 };
  queue.byId.set(id, timer);
  queue.due.add(timer);
}

function isLeased(timer: Timer | undefined, now: number): boolean {
  return timer?.token !== undefined && timer.dueAt > now;
}

function drop(queue: TimerQueue, id: string): boolean {
  const timer = queue.byId.get(id);
  return timer !== undefined && queue.due.remove(timer) && queue.byId.delete(id);
}

/** A leased one is due again when its lease ends. */
function leaseDue(queues: readonly TimerQueue[], limit: number, ttlMs: number, token: string): LeasedTimers {
  const now = clock.monotonic();
  const found: (readonly [TimerQueue, Timer])[] = [];
  for (let first = firstOf(queues); first && first[1].dueAt <= now && found.length < limit; first = firstOf(queues)) {
    first[0].due.remove(first[1]);
    found.push(first);
  }
  const entries = found.map(([{ due }, timer]) => {
    timer.token = token;
    timer.dueAt = now + ttlMs;
    due.add(timer);
    return { queue: timer.queue, id: timer.id, payload: timer.payload, token };
  });
  const next = firstOf(queues);
  return next ? { entries, nextDueMs: Math.max(0, next[1].dueAt - now) } : { entries };
}

function firstOf(queues: readonly TimerQueue[]): readonly [TimerQueue, Timer] | undefined {
  let found: readonly [TimerQueue, Timer] | undefined;
  for (const queue of queues) {
    const first = queue.due.first();
    if (first && (!found || isSooner(first, found[1]))) found = [queue, first];
  }
  return found;
}

function isSooner(one: Pick<Timer, "dueAt" | "sequence">, other: Pick<Timer, "dueAt" | "sequence">): boolean {
  return one.dueAt < other.dueAt || (one.dueAt === other.dueAt && one.sequence < other.sequence);
}

/** The first of those behind `after`: of a heap in no order, only as many as are asked for are ever sorted. */
async function readTimers(timers: readonly Timer[], { after, limit }: From): Promise<Page<WaitingTimer>> {
  const now = clock.monotonic();
  const [dueAt = Number.NEGATIVE_INFINITY, sequence = 0] = after?.split(" ").map(Number) ?? [];
  const begin = { dueAt, sequence };
  let found: Timer[] = [];
  let isMore = false;
  let last: Timer | undefined;
  const cut = () => {
    found.sort((one, other) => (isSooner(one, other) ? -1 : 1));
    isMore ||= found.length > limit;
    found = found.slice(0, limit);
    last = found.length === limit ? found.at(-1) : undefined;
  };
  for (const timer of timers) {
    if (!isSooner(begin, timer)) continue;
    if (last && isSooner(last, timer)) isMore = true;
    else if (found.push(timer) >= 2 * limit) cut();
  }
  cut();
  const items = found.map((timer) => ({
    id: timer.id,
    payload: timer.payload,
    dueInMs: timer.dueAt - now,
    leased: isLeased(timer, now),
  }));
  return yielding(isMore && last ? { items, after: `${last.dueAt} ${last.sequence}` } : { items });
}
