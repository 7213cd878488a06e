/** The same task on three engines: one word changes. BullMQ is skipped without REDIS_URL. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrokerName, boost, configure, shutdown, waitAll } from "funboost";

const url = process.env.REDIS_URL;
configure({
  brokers: {
    sqlite: { file: join(mkdtempSync(join(tmpdir(), "funboost-")), "queue.db") },
    ...(url ? { bullmq: { url } } : {}),
  },
});

const square = (broker: BrokerName) =>
  boost({ queue: "square", broker, rpc: true, qps: 100 }, async function square(n: number) {
    return n * n;
  });

for (const broker of ["memory", "sqlite", "bullmq"] as const) {
  if (broker === "bullmq" && !url) {
    console.log("bullmq: skipped: set REDIS_URL");
    continue;
  }
  const task = square(broker);
  await task.consume();
  console.log(
    `${broker}: the squares of 1, 2, 3 are ${(await waitAll(await task.pushMany([[1], [2], [3]]))).join(", ")}`,
  );
}
await shutdown();
