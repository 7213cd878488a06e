/** Jobs of Agenda's own users, taken over: their worker's `backoff`, their data, what is left of them. */
import { Agenda, backoffStrategies } from "agenda";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { agenda } from "../../../adapters/agenda/broker.ts";
import { boost, configure, fct, shutdown, type TaskParams } from "../../../src/index.ts";
import { until } from "../../support/consuming.ts";
import { serviceFor } from "../../support/services.ts";
import { backendFor } from "./foreign.ts";

const service = await serviceFor("postgres");
const url = service.unavailable ? "" : (service.settings?.POSTGRES_URL ?? "");
configure({ signals: false, log: { level: "silent" } });
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await shutdown({ grace: 500 });
  for (const close of open.splice(0)) await close();
});
afterAll(() => service.stop());
const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

const backoff = backoffStrategies.constant({ delay: 40, maxRetries: 2 });
const collection = `adopt_${process.pid}_${Date.now().toString(36)}`;

/** Agenda alone, on the same table. */
async function bareAgenda(): Promise<Agenda> {
  const backend = await backendFor(url, collection);
  const theirs = new Agenda({ backend, processEvery: 50 });
  await theirs.ready;
  open.push(
    () => theirs.stop(),
    () => backend.disconnect(),
  );
  return theirs;
}

describe.skipIf(!url)(`jobs of Agenda, adopted${skipped}`, () => {
  it.each([undefined, backoff])(
    "run as often as by its own worker, and are left as by it",
    async (own) => {
      const broker = agenda({ url, collection });
      const name = own ? "again" : "once";
      const runs = { theirs: [] as unknown[], ours: [] as unknown[] };
      const adopt = { adopt: true, concurrency: 5, maxRetries: 5, backoff: 0, rpc: false } as const;
      const params: TaskParams = {
        ...adopt,
        queue: `${name} ours`,
        broker,
        brokerOptions: own ? { backoff: own } : {},
      };
      const task = boost(params, (data: { fail: boolean }) => {
        runs.ours.push(data);
        if (data.fail) throw new Error("no");
      });
      await task.count(); // makes the table
      const theirs = await bareAgenda();
      theirs.define(
        `${name} theirs`,
        async (job) => {
          const data = job.attrs.data as { fail: boolean };
          runs.theirs.push(data);
          if (data.fail) throw new Error("no");
        },
        own ? { backoff: own } : {},
      );
      for (const side of ["theirs", "ours"])
        for (const fail of [true, false])
          await theirs.now(`${name} ${side}`, { fail, extra: { msg_expire_seconds: -1, order: 1 } });
      await theirs.start();
      await task.consume();
      const wanted = own ? 4 : 2;
      await until(() => runs.theirs.length === wanted && runs.ours.length === wanted, 20_000);
      const left = async (side: string) =>
        (await theirs.db.queryJobs({ name: `${name} ${side}` })).jobs
          .map(({ failCount, failReason, nextRunAt, data }) => ({ failCount, failReason, nextRunAt, data }))
          .sort((a, b) => Number(a.failCount ?? 0) - Number(b.failCount ?? 0));
      await until(async () => (await left("ours")).every(({ nextRunAt }) => !nextRunAt));
      await until(async () => (await left("theirs")).every(({ nextRunAt }) => !nextRunAt));
      expect(runs.ours).toHaveLength(wanted);
      expect(await left("ours")).toEqual(await left("theirs"));
      expect(fct.taskId).toBeUndefined();
    },
    60_000,
  );

  it("come back from the dead letters as they were", async () => {
    const broker = agenda({ url, collection });
    const runs: unknown[] = [];
    const task = boost(
      {
        ...{ queue: "back", broker, adopt: true, concurrency: 1, rpc: false, deadLetter: true },
        brokerOptions: { backoff },
      },
      (data: object) => {
        runs.push([fct.attempt, data]);
        throw new Error("no");
      },
    );
    const consumer = await task.consume();
    const theirs = await bareAgenda();
    const data = { a: 1, extra: { plan: "pro" } };
    await theirs.now("back", data);
    await until(async () => (await task.deadLetters.count()) === 1, 20_000);
    await consumer.close();
    expect(await task.deadLetters.redrive()).toBe(1);
    const { jobs } = await theirs.db.queryJobs({ name: "back" });
    const again = jobs.find(({ nextRunAt }) => nextRunAt);
    expect(again?.data).toEqual(data);
    expect([again?.startDate ?? null, again?.failCount ?? null]).toEqual([null, null]);
    await task.consume();
    await until(() => runs.length === 6, 20_000);
    expect(runs).toEqual([1, 2, 3, 1, 2, 3].map((attempt) => [attempt, data]));
  }, 60_000);
});
