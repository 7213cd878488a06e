/** getOrCreate: one function on queue names made at run time, such as one queue for each tenant. */
import { boost, fct, getOrCreate, queues, shutdown, waitAll } from "funboost";

async function greet(name: string) {
  return `${fct.queue}: hello ${name}`;
}
const queueOf = (tenant: number) =>
  getOrCreate({ queue: `greet-${tenant}`, broker: "memory", rpc: true, concurrency: 2 }, greet);

const runs = await Promise.all(Array.from({ length: 1_000 }, (_, tenant) => queueOf(tenant).push(`tenant ${tenant}`)));
const [seventh, again] = [queueOf(7), queueOf(7)];
console.log(
  `${queues().length} queues; asked for the seventh twice: ${seventh === again ? "the same task" : "two tasks"}`,
);

// Whoever has work is consumed, and closed again when nothing is left.
const busy = [3, 5, 8];
const consumers = await Promise.all(busy.map((tenant) => queueOf(tenant).consume()));
console.log((await waitAll(busy.map((tenant) => runs[tenant] as (typeof runs)[number]))).join("; "));
await Promise.all(consumers.map((consumer) => consumer.close()));
console.log(`nobody consumed for tenant 4: ${await queueOf(4).count()} message waits`);

const other = boost({ queue: "other", broker: "memory" }, async () => {});
console.log(`queues() lists what boost() made too: ${queues().includes(other.queue)}`);
await shutdown();
