/** Dead letters: what failed for good is kept, looked at, and brought back when the cause is gone, at a rate that the other side bears. */
import { boost, shutdown } from "funboost";

let isDown = true;
const order: string[] = [];
const charge = boost(
  { queue: "charge-cards", broker: "memory", rpc: true, maxRetries: 0, deadLetter: true, concurrency: 1, log: false },
  async function charge(customer: string) {
    if (isDown) throw new Error("the bank is down");
    order.push(customer);
    return `${customer} paid`;
  },
);
const consumer = await charge.consume();
const handles = await charge.publishMany([{ args: ["ada"] }, { args: ["bob"], priority: 10 }, { args: ["cleo"] }]);
await Promise.allSettled(handles.map((each) => each.waitResult()));
await consumer.close();

console.log(`dead: ${await charge.deadLetters.count()}`);
for (const { body } of await charge.deadLetters.list(10)) {
  const { customer, extra } = body as { customer: string; extra: { reason: string } };
  console.log(`  ${customer}: ${extra.reason}`);
}

isDown = false;
console.log(`brought back: ${await charge.deadLetters.redrive({ limit: 100, ratePerSecond: 50 })}`); // under their old ids, with their priority
await charge.consume();
for (const handle of handles) console.log(`  ${await handle.waitResult()}`);
console.log(`the first was ${order[0]}, by its priority; dead now: ${await charge.deadLetters.count()}`);
await shutdown();
