/** Per-message options: delay, eta, priority, expiry, and a task id that makes a second push a no-op. */
import { boost, shutdown, type TaskError, waitAll } from "funboost";

const send = boost({ queue: "send", broker: "memory", concurrency: 1, rpc: true }, async function send(what: string) {
  console.log(what);
});

const runs = await send.publishMany([
  { args: ["third: eta, in 400 ms"], eta: new Date(Date.now() + 400) },
  { args: ["second: no priority"] },
  { args: ["first: priority 10"], priority: 10 },
]);
const late = await send.publish(["never printed"], { delay: 300, expireAfter: 100 }); // too old when it is due

const once = await send.publish(["fourth: delay 500 ms"], { taskId: "invoice-7", delay: "0.5s" });
const again = await send.publish(["not published"], { taskId: "invoice-7" });
console.log(`same task: ${once.id === again.id}, existing: ${again.existing}`);

await send.consume();
await waitAll([...runs, once]);
await late.waitResult().catch((error: TaskError) => console.log(`late: ${error.status}`));
await shutdown();
