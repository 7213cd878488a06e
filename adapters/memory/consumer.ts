/** One consumer of a memory queue: its window, and how it ends. */
import type { ConsumeOptions, Consumer, Handler } from "../../src/contract/index.ts";
import { createDeque, items } from "./deque.ts";
import { wake } from "./dispatch.ts";
import { abandon, type Entry, type Queue, removeTaker, type Taker } from "./queue.ts";

export function createConsumer(queue: Queue, handler: Handler, options: ConsumeOptions): Consumer {
  queue.refilled = () => wake(queue);
  const aborts = options.signal ? new Map<Entry, AbortController>() : undefined;
  const taker: Taker = {
    window: 0,
    lastFetchAt: undefined,
    held: createDeque(),
    handler,
    options,
    aborts,
    drained: () => {},
  };
  let closing: Promise<void> | undefined;
  queue.takers.push(taker);
  const drain = () => {
    removeTaker(queue, taker);
    return new Promise<void>((resolve) => {
      taker.drained = resolve;
      if (taker.held.size === 0) resolve();
    });
  };
  return {
    setWindow(n) {
      if (closing) return;
      taker.window = n;
      wake(queue);
    },
    status: () => ({
      held: items(taker.held).map((entry) => entry.id),
      ...(taker.lastFetchAt === undefined ? {} : { lastFetchAt: taker.lastFetchAt }),
    }),
    close({ force = false } = {}) {
      closing ??= drain();
      if (force) abandon(queue, taker);
      return closing;
    },
  };
}
