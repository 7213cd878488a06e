/** setQps, setConcurrency, pause: from any process, in force everywhere within half a second, until they are taken back. */
import { boost, publisher, shutdown, waitAll } from "funboost";

const call = boost({ queue: "call", broker: "memory", qps: 5, rpc: true }, async function call(n: number) {
  return n;
});
await call.consume();
const numbers = (count: number) => Array.from({ length: count }, (_, n): [number] => [n]);

await call.setQps(1_000); // kept: a process that starts tomorrow has it too
const before = performance.now();
await waitAll(await call.pushMany(numbers(200)));
console.log(
  `200 runs in ${((performance.now() - before) / 1000).toFixed(1)} s: at 5 a second, as the code says, they take 40 s`,
);
await call.setQps(null); // the code's own again
await call.setConcurrency(2);
await call.setConcurrency(null);

await call.pause(); // what runs goes on, nothing starts
const waiting = await publisher<typeof call>({ queue: "call", broker: "memory", rpc: true }).push(7);
console.log(`${(await call.paused()) ? "paused" : "not paused"}: the task that was pushed is ${await waiting.state()}`);
await call.resume();
console.log(`resumed: it answers ${await waiting.waitResult()}`);
await shutdown();
