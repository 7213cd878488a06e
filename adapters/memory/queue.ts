/** One queue of the memory broker: its messages, and where each of them is. */
import { clock } from "../../src/base/clock.ts";
import { bodyValue } from "../../src/base/json.ts";
import type { ConsumeOptions, Delivery, Handler, Message, Published } from "../../src/contract/index.ts";
import { addFirst, addLast, createDeque, type Deque, items, type Linked, unlink } from "./deque.ts";
import { createHeap, type Due, type Heap } from "./heap.ts";

/** Deliveries started before timers and sockets get their turn. */
export const turn = 512;

/** The level before all priorities. */
export const aheadLevel = Number.POSITIVE_INFINITY;

/** One message. It is in exactly one place: a level, the heap of those due later, or what a consumer holds. */
export interface Entry extends Linked<Entry>, Due {
  readonly id: string;
  body: unknown;
  readonly level: number;
  readonly publishedAt: number;
  attempt: number;
  crashes: number;
  /** A message that was put off goes behind its level, even in the one that is last in first out. */
  putOff: boolean;
  /** Set while it runs. */
  delivery: Delivery | undefined;
}

interface Level extends Deque<Entry> {
  readonly level: number;
}

export interface Taker {
  window: number;
  lastFetchAt: number | undefined;
  readonly held: Deque<Entry>;
  readonly handler: Handler;
  readonly options: ConsumeOptions;
  /** Only where signals were asked for. */
  readonly aborts: Map<Entry, AbortController> | undefined;
  /** Called when nothing is held any more. */
  drained: () => void;
}

export interface Queue {
  readonly known: Map<string, Entry>;
  /** Highest first: what is ahead, then the priorities. */
  readonly levels: Level[];
  readonly later: Heap<Entry>;
  readonly takers: Taker[];
  sequence: number;
  waiting: number;
  paused: boolean;
  /** The broker was closed: nothing published here would ever be delivered. */
  ended: boolean;
  /** The taker that was served last. */
  served: number;
  /** Deliveries left in this turn of the event loop. */
  left: number;
  scheduled: boolean;
  armedFor: number;
  /** Called when messages wait again: they came due or were given back. */
  refilled: () => void;
  disarm: () => void;
}

export function createQueue(): Queue {
  return {
    known: new Map(),
    levels: [],
    later: createHeap(),
    takers: [],
    sequence: 0,
    waiting: 0,
    paused: false,
    ended: false,
    served: 0,
    left: turn,
    scheduled: false,
    armedFor: Number.POSITIVE_INFINITY,
    disarm: () => {},
    refilled: () => {},
  };
}

export function publish(queue: Queue, message: Message, prefix: string, now: number): Published {
  const sequence = ++queue.sequence;
  const id = message.id ?? prefix + sequence;
  if (message.id !== undefined && queue.known.has(id)) return { id, existing: true };
  const entry: Entry = {
    id,
    body: bodyValue(message.body),
    level: message.ahead ? aheadLevel : (message.priority ?? 0),
    publishedAt: message.publishedAt ?? now,
    attempt: message.attempt ?? 1,
    crashes: 0,
    putOff: false,
    delivery: undefined,
    sequence,
    dueAt: 0,
    slot: -1,
    before: undefined,
    after: undefined,
    deque: undefined,
  };
  queue.known.set(id, entry);
  put(queue, entry, message.delayMs ?? 0);
  return { id };
}

/** Among those due later, or at its place among those that wait. */
export function put(queue: Queue, entry: Entry, delayMs: number): void {
  if (delayMs <= 0) {
    place(queue, entry, entry.level === aheadLevel && !entry.putOff);
    return;
  }
  entry.dueAt = clock.monotonic() + delayMs;
  queue.later.add(entry);
  arm(queue);
}

export function place(queue: Queue, entry: Entry, front: boolean): void {
  const { levels } = queue;
  let at = 0;
  while (at < levels.length && (levels[at] as Level).level > entry.level) at++;
  let level = levels[at];
  if (level?.level !== entry.level) {
    level = { ...createDeque<Entry>(), level: entry.level };
    levels.splice(at, 0, level);
  }
  if (front) addFirst(level, entry);
  else addLast(level, entry);
  queue.waiting++;
}

export function takeFirst(queue: Queue): Entry {
  const { levels } = queue;
  while (levels.length > 1 && levels[0]?.size === 0) levels.shift();
  const entry = levels[0]?.first as Entry;
  unlink(entry);
  queue.waiting--;
  return entry;
}

/** Takes out what waits or is due later; false for what runs or is gone. */
export function withdraw(queue: Queue, entry: Entry | undefined): boolean {
  if (!entry || entry.delivery) return false;
  if (queue.later.remove(entry)) return true;
  unlink(entry);
  queue.waiting--;
  return true;
}

export function firstWaiting(queue: Queue, n: number): Entry[] {
  const found: Entry[] = [];
  for (const level of queue.levels) found.push(...items(level, n - found.length));
  return found;
}

export function clear(queue: Queue): void {
  for (const entry of [...queue.later.all(), ...firstWaiting(queue, Number.POSITIVE_INFINITY)]) {
    withdraw(queue, entry);
    queue.known.delete(entry.id);
  }
  arm(queue);
}

/** One timer, for the next that is due. It may fire a little early: what is not due yet stays. */
function arm(queue: Queue): void {
  const dueAt = queue.later.first()?.dueAt ?? Number.POSITIVE_INFINITY;
  if (dueAt === queue.armedFor) return;
  queue.disarm();
  queue.armedFor = dueAt;
  if (dueAt === Number.POSITIVE_INFINITY) return;
  queue.disarm = clock.after(Math.max(1, Math.ceil(dueAt - clock.monotonic())), () => ripen(queue), { unref: true });
}

function ripen(queue: Queue): void {
  const now = clock.monotonic();
  for (let entry = queue.later.first(); entry && entry.dueAt <= now; entry = queue.later.first()) {
    queue.later.remove(entry);
    place(queue, entry, entry.level === aheadLevel && !entry.putOff);
  }
  queue.armedFor = Number.POSITIVE_INFINITY;
  arm(queue);
  queue.refilled();
}

export function release(taker: Taker, entry: Entry): void {
  unlink(entry);
  entry.delivery = undefined;
  taker.aborts?.delete(entry);
}

export function removeTaker(queue: Queue, taker: Taker): void {
  const at = queue.takers.indexOf(taker);
  if (at >= 0) queue.takers.splice(at, 1);
}

/** What it holds counts as lost with its process, and goes to the front in its old order. */
export function abandon(queue: Queue, taker: Taker): void {
  removeTaker(queue, taker);
  taker.window = 0;
  for (const entry of items(taker.held).reverse()) {
    taker.aborts?.get(entry)?.abort();
    release(taker, entry);
    entry.crashes++;
    place(queue, entry, true);
  }
  taker.drained();
  queue.refilled();
}
