/** One task on an engine, left in every state that a dashboard shows: 3 done, 1 failed, 1 delayed, 2 waiting. */
import { boost, brokerName } from "funboost";

export const wanted = { done: 3, failed: 1, delayed: 1, waiting: 2 };
export type Counts = typeof wanted;

export async function fill(broker: string, queue: string) {
  const on = brokerName(broker);
  const brokerOptions = broker === "agenda" ? { keepDone: true } : {}; // done jobs are removed otherwise
  const charge = boost(
    { queue, broker: on, brokerOptions, params: ["customer", "cents"], rpc: true, maxRetries: 0, log: false },
    async (customer: string, cents: number) => {
      if (cents > 10_000) throw new Error(`card of ${customer} was declined`);
      return `${customer} paid ${cents / 100}`;
    },
  );
  const runs = await charge.pushMany([
    ["Ann", 1250],
    ["Bob", 990],
    ["Cid", 4900],
    ["Eve", 99_900],
  ]);
  const consumer = await charge.consume();
  await Promise.allSettled(runs.map((run) => run.waitResult({ timeout: "30s" })));
  await consumer.close();
  await charge.publish(["Dan", 700], { delay: "2h" });
  await charge.pushMany([
    ["Fay", 1500],
    ["Gus", 2500],
  ]);
  return charge;
}
