/** Per-message options: delay, eta, priority, expiry, and a task id that makes a second push a no-op. */
import { setTimeout as sleep } from "node:timers/promises";
import { boost, shutdown, type TaskError, waitAll } from "funboost";

const send = boost({ queue: "send", broker: "memory", concurrency: 1, rpc: true }, async function send(what: string) {
  console.log(what);
});

const runs = await send.publishMany([
  { args: ["third: eta, in 400 ms"], eta: new Date(Date.now() + 400) },
  { args: ["second: no priority"] },
  { args: ["first: priority 10"], priority: 10 },
]);
const late = await send.publish(["never printed"], { expireAfter: 20 }); // too old when somebody consumes

const once = await send.publish(["fourth: delay 500 ms"], { taskId: "invoice-7", delay: "0.5s" });
const again = await send.publish(["not published"], { taskId: "invoice-7" });
console.log(`invoice-7 published again: ${again.existing ? "the same task, nothing was published" : "doubled"}`);
await sleep(50);

await send.consume();
await waitAll([...runs, once]);
await late.waitResult().catch((error: TaskError) => console.log(`the one that nobody took in 20 ms: ${error.status}`));
await shutdown();
