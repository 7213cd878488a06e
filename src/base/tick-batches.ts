/** What one tick asks for travels together: handed over when the tick ends, or before that when a batch is full. */
import { queueMicrotask } from "./clock.ts";

export interface TickBatches<Item> {
  /** Hands a batch over when it holds as much, by the items' weights. */
  readonly size: number;
  /** Gets the items in the order in which they came. Must not throw: its batch would be lost. */
  send(batch: readonly Item[]): void;
  /** When a tick ends. @default queueMicrotask */
  readonly schedule?: (flush: () => void) => void;
}

/** Makes the function that adds one item. How whoever asks is answered stands in the items: no promise is made here. */
export function createTickBatches<Item>({ size, send, schedule = queueMicrotask }: TickBatches<Item>) {
  let waiting: Item[] = [];
  let filled = 0;
  const flush = () => {
    if (waiting.length === 0) return;
    const batch = waiting;
    waiting = [];
    filled = 0;
    send(batch);
  };
  return (item: Item, weight = 1): void => {
    if (waiting.push(item) === 1) schedule(flush);
    filled += weight;
    if (filled >= size) flush();
  };
}
