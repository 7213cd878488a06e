/** Several limits at once, a hold after a 429, one limit for all processes, one pool for two tasks; changed while it runs. */
import { boost, concurrencyPool, fct, shutdown, waitAll } from "funboost";

const started = performance.now();
const at = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;

// 20 a second, and no more than 8 in any second. With qpsScope "global" both hold for all processes together.
const call = boost({ queue: "call", broker: "memory", qps: [20, { count: 8, per: "1s" }], qpsScope: "global", rpc: true }, async function call(n: number) {
  if (n === 3) await fct.slowDown("500ms"); // the server said 429: nothing starts for half a second
  return at();
});
await call.consume();
console.log((await waitAll(await call.pushMany([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n): [number] => [n])))).join(", "));

await call.setQps(1_000); // in every process within a second, until setQps(null)
const before = performance.now();
await waitAll(await call.pushMany(Array.from({ length: 200 }, (_, n): [number] => [n + 100])));
console.log(`200 more in ${Math.round((performance.now() - before) / 100) / 10} s; info(): ${(await call.info()).ready} wait`);
await call.setQps(null);

const pool = concurrencyPool(3); // three at once, whichever of the two tasks they are
let most = 0;
const work = async () => void (most = Math.max(most, pool.used));
const resize = boost({ queue: "resize", broker: "memory", pool, rpc: true }, work);
const render = boost({ queue: "render", broker: "memory", pool, rpc: true }, work);
await Promise.all([resize.consume(), render.consume()]);
const lists = await Promise.all([resize.pushMany(Array(20).fill([])), render.pushMany(Array(20).fill([]))]);
await waitAll(lists.flat());
console.log(`at once, both together: ${most} at most`);
await shutdown();
