/** Flows that others built: a parent sees how its children ended. */
import { FlowProducer, Queue } from "bullmq";
import { afterAll, expect, it } from "vitest";
import { bullmq } from "../../../adapters/bullmq/broker.ts";
import { memory } from "../../../adapters/memory/broker.ts";
import { boost, configure, fct } from "../../../src/index.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
configure({ signals: false, log: { level: "silent" } });
afterAll(() => service.stop());

it.skipIf(!url)("a parent sees what its children returned, and why those failed that it ignores", async () => {
  const prefix = `f${process.pid}${Date.now().toString(36)}`;
  const connection = { host: new URL(url).hostname, port: Number(new URL(url).port), maxRetriesPerRequest: null };
  const broker = bullmq({ url, prefix, storePrefix: `${prefix}f:` });
  const flows = new FlowProducer({ connection, prefix });
  const kids = boost({ queue: "kids", broker, params: ["n"], maxRetries: 0 }, (n: number) => {
    if (n === 3) throw new Error("no three");
    return { n };
  });
  const seen: unknown[] = [];
  const parent = boost({ queue: "parent", broker, params: [] }, async () => {
    seen.push(await fct.childResults<{ n: number }>(), await fct.childFailures());
  });
  const consumers = [await kids.consume(), await parent.consume()];
  const child = (n: number, jobId: string) => ({
    name: "kid",
    queueName: "kids",
    data: { n },
    opts: { jobId, ignoreDependencyOnFailure: true },
  });
  await flows.add({
    name: "all",
    queueName: "parent",
    data: {},
    children: [child(1, "a"), child(2, "b"), child(3, "c")],
  });
  await expect.poll(() => seen.length).toBe(2);
  expect(seen).toEqual([
    { [`${prefix}:kids:a`]: { n: 1 }, [`${prefix}:kids:b`]: { n: 2 } },
    { [`${prefix}:kids:c`]: "no three" },
  ]);
  for (const consumer of consumers) await consumer.close();
  for (const name of ["kids", "parent"]) {
    const queue = new Queue(name, { connection, prefix });
    await queue.obliterate({ force: true });
    await queue.close();
  }
  await flows.close();
  await broker.close();
});

it("there are none on another engine, and outside a task", async () => {
  const broker = memory();
  const task = boost({ queue: "no-flows", broker, rpc: true }, async () => [
    await fct.childResults(),
    await fct.childFailures(),
  ]);
  const consumer = await task.consume();
  expect(await (await task.push()).waitResult({ timeout: "5s" })).toEqual([{}, {}]);
  expect([await fct.childResults(), await fct.childFailures()]).toEqual([{}, {}]);
  await consumer.close();
  await broker.close();
});
