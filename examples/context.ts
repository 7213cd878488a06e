/** fct: the running task from anywhere in its call tree, without passing it on; and a timeout that aborts fct.signal. */
import { setTimeout as work } from "node:timers/promises";
import { boost, fct, shutdown } from "funboost";

function audit(what: string) {
  console.log(
    `${what}: ${fct.queue} attempt ${fct.attempt}, args ${JSON.stringify(fct.args)}, tenant ${fct.headers.tenant}`,
  );
}

const report = boost(
  { queue: "report", broker: "memory", rpc: true, timeout: 100, maxRetries: 1, backoff: 0, log: { stacks: false } },
  async function report(month: string) {
    audit("started");
    // The first attempt is too slow: at 100 ms the signal stops its work, and the task is retried.
    if (fct.attempt === 1) await work(10_000, undefined, { signal: fct.signal });
    await fct.progress({ rows: 120 }); // read by whoever has the handle
    return `${month}, asked for on ${fct.publishedAt?.toISOString().slice(0, 10)}`;
  },
);

await report.consume();
const run = await report.publish(["2026-10"], { headers: { tenant: "acme" } });
console.log(`result: ${await run.waitResult()}; told on the way: ${JSON.stringify(await run.progress())}`);
console.log(`outside a task ${fct.taskId ?? "fct has no task"}`);
await shutdown();
