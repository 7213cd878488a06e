/** withLock: one at a time over all processes that share a store. A holder that was killed frees it at its ttl. */
import { setTimeout as work } from "node:timers/promises";
import { shutdown, withLock } from "funboost";

const order: string[] = [];
const nightly = (who: string) =>
  withLock("nightly", { ttl: "10s", broker: "memory" }, async (lost) => {
    order.push(`${who} in`);
    await work(50, undefined, { signal: lost }); // aborts if the lock was lost: the store did not answer for a ttl
    order.push(`${who} out`);
  });
await Promise.all([nightly("a"), nightly("b")]);
console.log(`never both: ${order.join(", ")}`);

const refused = await withLock("nightly", { broker: "memory" }, () =>
  withLock("nightly", { broker: "memory", wait: 0 }, () => "never").catch(
    (error: Error & { code: string }) => error.code,
  ),
);
console.log(`asked for while it is held, without waiting: ${refused}`);
await shutdown();
