/** A bare queue under the hands of a case: it settles each delivery itself. */
import type { BrokerQueue, Consumer, Delivery, Settlement } from "../../src/contract/index.ts";
import type { Context } from "./context.ts";
import { range } from "./track.ts";

interface Held {
  readonly delivery: Delivery;
  settle(settlement: Settlement): void;
}

interface Bench {
  readonly consumer: Consumer;
  /** Delivered and not yet settled by the case, in order. */
  readonly held: Held[];
  /** Everything that was ever delivered. */
  readonly deliveries: Delivery[];
  readonly settled: { readonly n: number; readonly how: "applied" | "stale" }[];
  /** Most at once. */
  readonly peak: () => number;
}

/** Consumes a bare queue; the case settles each delivery by hand. */
export async function bench(context: Context, queue: BrokerQueue): Promise<Bench> {
  const held: Held[] = [];
  const deliveries: Delivery[] = [];
  const settled: Bench["settled"] = [];
  let peak = 0;
  const handler = (delivery: Delivery) =>
    new Promise<Settlement>((resolve) => {
      deliveries.push(delivery);
      const one: Held = {
        delivery,
        settle(settlement) {
          held.splice(held.indexOf(one), 1);
          resolve(settlement);
        },
      };
      held.push(one);
      peak = Math.max(peak, held.length);
    });
  const consumer = await queue.consume(handler, {
    signal: false,
    onSettled: (delivery, how) => settled.push({ n: numberOf(delivery), how }),
    onError: () => {},
  });
  context.defer(async () => {
    const closing = consumer.close({ force: true });
    for (const each of [...held]) each.settle(done);
    await closing;
  });
  return { consumer, held, deliveries, settled, peak: () => peak };
}

export const done: Settlement = { outcome: "done" };
export const body = (n: number) => ({ n, extra: {} });
export const numberOf = ({ body }: Delivery) =>
  (typeof body === "string" ? (JSON.parse(body) as { n: number }) : (body as { n: number })).n;
export const messages = (n: number) => range(n).map((i) => ({ body: body(i) }));

/** Settles one after another until `n` deliveries are done. */
export async function drain({ until }: Context, { held, settled }: Bench, n: number): Promise<void> {
  await until(`${n} deliveries are settled`, () => {
    for (const each of [...held]) each.settle(done);
    return settled.length >= n;
  });
}
