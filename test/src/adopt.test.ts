/** adopt(): what it refuses, and how tasks and functions stand side by side. */
import { adopt, boost, configure, type JobFacts, publisher, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, expect, expectTypeOf, it } from "vitest";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));
let counter = 0;
const fresh = () => ({ queue: `adopt-${counter++}`, broker: memory(), concurrency: 2 });
const nothing = () => {};

it("refuses a queue without concurrency, without handlers, and options that are a task's", () => {
  const { queue, ...rest } = fresh();
  expect(() => adopt({ queue } as never, { a: nothing })).toThrow(/adopt\(\) needs "concurrency"/);
  expect(() => adopt(undefined as never, { a: nothing })).toThrow(/params are undefined/);
  expect(() => adopt({ queue, ...rest }, {})).toThrow(/got an object as its handlers. Needed/);
  expect(() => adopt({ queue, ...rest }, undefined as never)).toThrow(/undefined as its handlers/);
  expect(() => adopt({ queue, ...rest, job: "a" } as never, { a: nothing })).toThrow(/takes no "job"/);
  expect(() => adopt({ queue, ...rest, params: ["a"] } as never, { a: nothing })).toThrow(/takes no "params"/);
  expect(() => adopt({ queue, ...rest, unkown: "fail" } as never, { a: nothing })).toThrow(/unknown option "unkown"/);
});

it("refuses a handler that is none, a name that cannot be, and what contradicts itself", () => {
  const where = fresh();
  expect(() => adopt(where, { a: 5 as never })).toThrow(/handler of "a" is 5. Allowed: a function or a task/);
  expect(() => adopt(where, { [where.queue]: nothing })).toThrow(/"job" is/);
  expect(() => adopt({ ...where, unknown: "drop" as never }, { a: nothing })).toThrow(/"unknown" is "drop". Allowed/);
  expect(() => adopt({ ...where, unknown: "fail" }, { "*": nothing })).toThrow(/"\*" takes every name: leave one out/);
});

it("refuses a task of another queue or name", () => {
  const where = fresh();
  const seal = boost({ ...where, job: "seal" }, nothing);
  const elsewhere = boost({ ...fresh(), job: "seal" }, nothing);
  expect(() => adopt(where, { seal: elsewhere })).toThrow(/the task given as "seal" is that of queue "adopt-/);
  expect(() => adopt(where, { sealed: seal })).toThrow(/that of queue "adopt-\d+", job "seal". Define it on queue/);
});

it("gives its options to a task that has none of its own, and consuming refuses one that differs", async () => {
  const { queue, broker, concurrency } = fresh();
  const seal = boost({ queue, broker, job: "seal", rpc: true }, (name: string) => `seal ${name}`);
  await seal.push("early"); // before it is adopted
  const jobs = adopt({ queue, broker, concurrency }, { seal });
  await jobs.consume();
  expect(await (await seal.push("ada")).waitResult()).toBe("seal ada");
  await jobs.close();
  const mail = boost({ queue: `${queue}-2`, broker, job: "mail", concurrency: 5 }, nothing);
  const others = adopt({ queue: `${queue}-2`, broker, concurrency }, { mail, note: nothing });
  await expect(others.consume()).rejects.toThrow(/"concurrency" is the queue's.* has [25].* has [25]/);
});

it("closes once for all names, and may be consumed again", async () => {
  const { queue, broker, concurrency } = fresh();
  const seen: unknown[] = [];
  const jobs = adopt({ queue, broker, concurrency }, { a: (data) => seen.push(data), b: (data) => seen.push(data) });
  const send = publisher<(data: object) => unknown>({ queue, broker, job: "b", params: "object" });
  for (const n of [1, 2]) {
    const consumer = await jobs.consume();
    await send.push({ n });
    await expect.poll(() => seen.length).toBe(n);
    expect(consumer.status().queue).toBe(queue);
    await (n === 1 ? jobs.close() : consumer.close());
  }
  await send.push({ n: 3 });
  expect(await send.count()).toBe(1);
  expect(seen).toEqual([{ n: 1 }, { n: 2 }]);
});

it("types: a handler says what its data is, and its job is plain facts", () => {
  adopt(fresh(), {
    mail: (data: { to: string }, job) => {
      expectTypeOf(job).toEqualTypeOf<JobFacts>();
      return data.to;
    },
    "*": async (data, job) => [data, job.isLastAttempt],
  });
  // @ts-expect-error concurrency is needed
  expect(() => adopt({ queue: "q" }, { a: nothing })).toThrow();
  // @ts-expect-error there is no such policy
  expect(() => adopt({ ...fresh(), unknown: "ignore" }, { a: nothing })).toThrow();
});

it("close() also ends a consume() that still connects", async () => {
  const { concurrency, ...where } = fresh();
  const seen: unknown[] = [];
  const jobs = adopt({ ...where, concurrency }, { a: (data) => seen.push(data) });
  const consuming = jobs.consume();
  await Promise.all([expect(consuming).rejects.toThrow(/stopped before it had begun/), jobs.close()]);
  const send = publisher<(data: object) => unknown>({ ...where, job: "a", params: "object" });
  await send.push({ n: 1 });
  await expect.poll(() => send.count()).toBe(1);
  const consumer = await jobs.consume();
  await expect(jobs.consume()).rejects.toThrow(/consumed already/); // and the first goes on
  await expect.poll(() => seen.length).toBe(1);
  await jobs.close();
  expect(consumer.status().running).toBe(0);
  await send.push({ n: 2 });
  expect(await send.count()).toBe(1);
});
