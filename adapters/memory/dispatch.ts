/** Who gets the next message of a memory queue, and what becomes of it when its run has settled. */
import { clock, queueMicrotask, setImmediate } from "../../src/base/clock.ts";
import { toError } from "../../src/base/errors.ts";
import type { Delivery, Settlement } from "../../src/contract/index.ts";
import { addLast } from "./deque.ts";
import { aheadLevel, type Entry, place, put, type Queue, release, type Taker, takeFirst, turn } from "./queue.ts";

/**
 * Hands out in a microtask, so that a tick's messages go together; after a turn's worth, timers and sockets come first.
 */
export function wake(queue: Queue): void {
  if (queue.scheduled || queue.paused || queue.waiting === 0) return;
  queue.scheduled = true;
  if (queue.left > 0) queueMicrotask(() => dispatch(queue));
  else
    setImmediate(() => {
      queue.left = turn;
      dispatch(queue);
    }); // not unref: the loop would sleep until the next timer first
}

function dispatch(queue: Queue): void {
  queue.scheduled = false;
  const now = clock.monotonic();
  while (queue.waiting > 0 && !queue.paused) {
    const taker = nextWithRoom(queue);
    if (!taker) return;
    if (queue.left-- <= 0) {
      wake(queue);
      return;
    }
    taker.lastFetchAt = now;
    deliver(queue, taker, takeFirst(queue));
  }
}

/** Consumers of one queue take turns. */
function nextWithRoom(queue: Queue): Taker | undefined {
  const { takers } = queue;
  for (let tried = 0; tried < takers.length; tried++) {
    queue.served = queue.served + 1 < takers.length ? queue.served + 1 : 0;
    const taker = takers[queue.served] as Taker;
    if (taker.held.size < taker.window) return taker;
  }
  return undefined;
}

function deliver(queue: Queue, taker: Taker, entry: Entry): void {
  const { id, attempt, crashes, publishedAt } = entry;
  const facts = {
    id,
    body: entry.body,
    attempt,
    crashes,
    ahead: entry.level === aheadLevel,
    publishedAt,
    native: undefined,
  };
  const delivery: Delivery = taker.aborts ? { ...facts, signal: signalFor(taker.aborts, entry) } : facts;
  entry.delivery = delivery;
  addLast(taker.held, entry);
  taker.handler(delivery).then(
    (settlement) => settle(queue, taker, entry, delivery, settlement),
    (thrown: unknown) => {
      taker.options.onError(toError(thrown));
      settle(queue, taker, entry, delivery, { outcome: "postponed", delayMs: 1000 });
    },
  );
}

function signalFor(aborts: Map<Entry, AbortController>, entry: Entry): AbortSignal {
  const controller = new AbortController();
  aborts.set(entry, controller);
  return controller.signal;
}

function settle(queue: Queue, taker: Taker, entry: Entry, delivery: Delivery, settlement: Settlement): void {
  if (entry.delivery !== delivery) {
    taker.options.onSettled(delivery, "stale");
    return;
  }
  release(taker, entry);
  switch (settlement.outcome) {
    case "done":
    case "failed":
      queue.known.delete(entry.id);
      break;
    case "returned":
    case "moved": // nobody gives rules here
      place(queue, entry, true);
      break;
    default:
      if (settlement.outcome === "retry") entry.attempt++;
      entry.putOff = true;
      put(queue, entry, settlement.delayMs);
  }
  taker.options.onSettled(delivery, "applied");
  if (taker.held.size === 0) taker.drained();
  wake(queue);
}
