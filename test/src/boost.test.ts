/** Tasks as they are made: one for each queue and broker, and what is shown of them. */
import { inspect } from "node:util";
import { boost, configure, getOrCreate, getTask, publisher, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

describe("getOrCreate", () => {
  it("gives one task for each queue, 10,000 of them", { timeout: 120_000 }, async () => {
    const broker = memory();
    const double = (n: number) => n * 2;
    const tasks = Array.from({ length: 10_000 }, (_, i) =>
      getOrCreate({ queue: `tenant-${i}`, broker, rpc: true }, double),
    );
    expect(getOrCreate({ queue: "tenant-5", broker }, double)).toBe(tasks[5]);
    expect(getOrCreate({ queue: "tenant-5", broker: memory() }, double)).not.toBe(tasks[5]);
    await Promise.all(tasks.map((task, i) => task.push(i)));
    await tasks[9_999]?.consume();
    expect(await (await tasks[9_999]?.push(4))?.waitResult()).toBe(8);
  });
});

it("getOrCreate keeps apart a broker by name and an instance of that name", async () => {
  const params = { queue: "apart", params: [] };
  const instance = getOrCreate({ ...params, broker: memory() }, () => 1);
  const named = getOrCreate({ ...params, broker: "memory" }, () => 1);
  expect(named).not.toBe(instance);
  expect(getOrCreate({ ...params, broker: "memory" }, () => 1)).toBe(named);
  expect(getTask("apart", "memory")).toBe(named);
});

it("a task and a publisher are one line in console.log(), also inside of others", () => {
  const send = boost({ queue: "shown", broker: memory() }, function sendMail() {});
  expect(inspect(send)).toBe('[Task sendMail: queue "shown" on memory]');
  expect(inspect({ tasks: [send] }, { depth: 9 })).not.toMatch(/push|params/);
  expect(inspect(boost({ queue: "shown.2" }, () => 1))).toBe('[Task (anonymous): queue "shown.2" on sqlite]');
  expect(inspect(publisher({ queue: "shown", broker: "bullmq" }))).toBe('[Publisher: queue "shown" on bullmq]');
});
