/** qps: several limits at once, one for all processes, and a hold after a 429. */
import { boost, fct, shutdown, waitAll } from "funboost";

const started = performance.now();
const at = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;

// 20 a second, and no more than 8 in any second. With qpsScope "global" both hold for all processes together.
const call = boost(
  { queue: "call", broker: "memory", qps: [20, { count: 8, per: "1s" }], qpsScope: "global", rpc: true },
  async function call(n: number) {
    if (n === 3) await fct.slowDown("500ms"); // the server said 429: nothing starts for half a second
    return at();
  },
);
await call.consume();
const starts = await waitAll(await call.pushMany([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n): [number] => [n])));
console.log(`started at ${starts.join(", ")}`);
console.log("after the third: half a second of slowDown; before the ninth: no more than 8 in any second");
await shutdown();
