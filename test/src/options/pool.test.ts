/** concurrencyPool(): places of several tasks, and who gets the next one. */
import { boost, concurrencyPool, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, expect, it } from "vitest";
import { sleep } from "../../../src/base/clock.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

it("gives each of its tasks a share, whichever came first and however many each has", async () => {
  const pool = concurrencyPool(2);
  const started: string[] = [];
  const broker = memory();
  let open = () => {};
  const door = new Promise<void>((resolve) => {
    open = resolve;
  });
  const jobs = ["a", "b", "c"].map((name) =>
    boost({ queue: `pool.${name}`, broker, pool, concurrency: 10 }, async () => {
      await door;
      started.push(name);
      await sleep(1);
    }),
  );
  for (const [i, job] of jobs.entries()) {
    await job.pushMany(Array.from({ length: i === 0 ? 200 : 40 }, () => [] as []));
    await job.consume();
  }
  await expect.poll(() => pool.used).toBe(2);
  open();
  await expect.poll(() => started.length, { timeout: 20_000 }).toBe(280);
  const early = started.slice(0, 90);
  for (const name of ["a", "b", "c"]) expect(early.filter((each) => each === name).length, name).toBeGreaterThan(15);
  await expect.poll(() => pool.used).toBe(0);
});
