/** Dead letters of adopted jobs, brought back: as others added them, for old workers too. */
import { Queue, Worker } from "bullmq";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { bullmq } from "../../../adapters/bullmq/broker.ts";
import { boost, configure, fct, shutdown } from "../../../src/index.ts";
import { until } from "../../support/consuming.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
afterAll(() => service.stop());
configure({ signals: false, log: { level: "silent" } });
const prefix = `redrive${process.pid}${Date.now().toString(36)}`;
const connection = { url } as never;
const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await shutdown({ grace: 500 });
  await Promise.all(open.splice(0).map((each) => each.close()));
});
const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

const data = { to: "ada", extra: { plan: "pro", max_retry_times: 7 } };
const rules = { attempts: 3, backoff: { type: "fixed", delay: 40 }, priority: 4 };

function place(name: string) {
  const native = new Queue(name, { connection, prefix });
  open.push(native);
  const runs: { readonly id: string; readonly data: object; readonly attempt: number }[] = [];
  const task = boost(
    { queue: name, broker: bullmq({ url, prefix }), adopt: true, concurrency: 5, deadLetter: true, maxRetries: 9 },
    (data: object): void => {
      runs.push({ id: fct.taskId ?? "", data, attempt: fct.attempt ?? 0 });
      throw new Error("no");
    },
  );
  return { native, runs, task };
}

describe.skipIf(!url)(`a dead letter of an adopted job of BullMQ${skipped}`, () => {
  it("comes back under its id, with its name, data and options, and an old worker takes it", async () => {
    const { native, runs, task } = place("theirs");
    await native.add("welcome", data, { ...rules, jobId: "order-7", removeOnFail: true, delay: 20 });
    const consumer = await task.consume();
    await until(async () => (await task.deadLetters.count()) === 1);
    await consumer.close();
    expect(await native.getJob("order-7")).toBeUndefined();
    expect(await task.deadLetters.redrive()).toBe(1);
    const job = await native.getJob("order-7");
    expect(job).toMatchObject({ name: "welcome", data, attemptsMade: 0 });
    expect(job?.opts).toEqual({ ...rules, removeOnFail: true });
    const tries: unknown[] = [];
    const old = new Worker(
      "theirs",
      async (each) => {
        tries.push([each.name, each.data, each.attemptsMade]);
        throw new Error("no");
      },
      { connection, prefix },
    );
    open.push(old);
    await until(async () => !(await native.getJob("order-7")));
    expect(tries).toEqual([0, 1, 2].map((made) => ["welcome", data, made]));
    expect(runs).toHaveLength(3);
  }, 30_000);

  it("comes back again and again, where its id is not free", async () => {
    const { native, runs, task } = place("ours");
    const { id } = await native.add("welcome", data, rules);
    await task.consume();
    await until(async () => (await task.deadLetters.count()) === 1);
    for (const round of [2, 3]) {
      expect(await task.deadLetters.redrive()).toBe(1);
      await until(async () => (await task.deadLetters.count()) === 1 && runs.length === 3 * round);
    }
    expect(runs.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
    for (const run of runs) expect(run.data).toEqual(data);
    expect(new Set(runs.map((run) => run.id)).size).toBe(3);
    expect(await native.getJobState(String(id))).toBe("failed"); // as its own worker leaves it
  }, 30_000);

  it("comes back when its data is no object", async () => {
    const { native, task } = place("plain");
    await native.add("welcome", [1, [2]], { removeOnFail: true });
    const consumer = await task.consume();
    await until(async () => (await task.deadLetters.count()) === 1);
    await consumer.close();
    await task.deadLetters.redrive();
    const [job] = await native.getJobs(["wait"]);
    expect(job).toMatchObject({ name: "welcome", data: [1, [2]], opts: { attempts: 0, removeOnFail: true } });
  }, 30_000);
});
