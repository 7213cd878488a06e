/** A task's own concurrency, that of one process, and that which is set for all. */
import { memory } from "funboost/adapters/memory";
import { expect, it } from "vitest";
import { boost } from "../../../src/index.ts";

it("of what is set for one process and for all the smaller holds; either beats the code", async () => {
  let running = 0;
  let end = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const job = boost({ queue: "at-once", broker: memory(), concurrency: 3, params: ["n"] }, async (_n: number) => {
    running++;
    await ended;
  });
  const consumer = await job.consume();
  await job.pushMany(Array.from({ length: 40 }, (_, n): [number] => [n]));
  const runs = (n: number) => expect.poll(() => running, { interval: 5, timeout: 5_000 }).toBe(n);
  await runs(3);
  await job.setConcurrency(5); // for all: beats the code
  await runs(5);
  consumer.setConcurrency(9); // for this process: no more than all may
  await job.setConcurrency(7);
  await runs(7);
  await job.setConcurrency(12);
  await runs(9);
  await job.setConcurrency(null); // the process's own stays
  consumer.setConcurrency(11);
  await runs(11);
  end();
  await consumer.close();
});
