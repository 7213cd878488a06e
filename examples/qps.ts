/** qps: starts are evenly spaced, however long each run takes. */
import { setTimeout as work } from "node:timers/promises";
import { boost, shutdown, waitAll } from "funboost";

const starts: number[] = [];

const call = boost({ queue: "call", broker: "memory", qps: 20, rpc: true }, async function call(_n: number) {
  starts.push(performance.now());
  await work(200); // longer than the 50 ms between two starts: several run at once
});

const runs = await call.pushMany(Array.from({ length: 21 }, (_, n) => [n] as [number]));
await call.consume();
await waitAll(runs);

const first = starts[0] ?? 0;
const last = starts.at(-1) ?? 0;
console.log(
  `${starts.length} starts in ${Math.round(last - first)} ms: ${((20 * 1000) / (last - first)).toFixed(1)} a second`,
);
await shutdown();
