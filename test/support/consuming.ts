/** An adapter's queue consumed without the core, for tests of what one engine alone can get wrong. */
import { sleep } from "../../src/base/clock.ts";
import type { BrokerQueue, Consumer, Delivery, Settlement } from "../../src/contract/index.ts";

export type Answer = (delivery: Delivery) => Settlement | Promise<Settlement>;

/** What came, and how it was settled: "id:applied" or "id:stale". */
export async function consume(queue: BrokerQueue, answer: Answer, window = 1, signal = false) {
  const seen: Delivery[] = [];
  const settled: string[] = [];
  const errors: Error[] = [];
  const consumer: Consumer = await queue.consume(
    async (delivery) => {
      seen.push(delivery);
      return answer(delivery);
    },
    {
      signal,
      onSettled: (delivery, how) => settled.push(`${delivery.id}:${how}`),
      onError: (error) => errors.push(error),
    },
  );
  consumer.setWindow(window);
  return { seen, settled, errors, consumer };
}

export async function until(what: () => unknown, ms = 5_000): Promise<void> {
  for (let t = 0; t < ms; t += 5) {
    if (await what()) return;
    await sleep(5);
  }
  throw new Error(`did not happen: ${what}`);
}

export const done = (): Settlement => ({ outcome: "done" });

/** The `n` of each body. */
export const numbers = (deliveries: readonly Delivery[]) => deliveries.map((each) => (each.body as { n: unknown }).n);
