/** The timers of the memory store. */
import { clock } from "../../src/base/clock.ts";
import type { TimerEntry, Timers } from "../../src/contract/index.ts";
import { createHeap, type Due, type Heap } from "./heap.ts";

interface Timer extends Due {
  readonly id: string;
  readonly payload: string;
  leased: boolean;
}

export interface TimerQueue {
  readonly byId: Map<string, Timer>;
  readonly due: Heap<Timer>;
}

export function createTimers(queues: Map<string, TimerQueue>): Timers {
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
      const queue = queues.get(name) ?? { byId: new Map<string, Timer>(), due: createHeap<Timer>() };
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
