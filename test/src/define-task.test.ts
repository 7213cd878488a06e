/** One definition for both sides: plain frozen data, spread into boost() and given to publisher(). */
import { boost, configure, defineTask, publisher, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, expect, it } from "vitest";
import * as z from "zod";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

it("carries worker and publisher", async () => {
  const mail = defineTask<(to: string, subject: string) => Promise<number>>({
    queue: "definition",
    broker: memory(),
    params: ["to", "subject"],
    rpc: true,
    maxRetries: 0,
    backoff: 0,
  });
  const send = boost({ ...mail, concurrency: 4 }, async (to, subject) => to.length + subject.length);
  expect(send.params).toMatchObject({ concurrency: 4, maxRetries: 0 });
  const mails = publisher(mail);
  const run = await mails.push("ada", "Hello");
  await send.consume();
  expect(await run.waitResult()).toBe(8);
  expect(await (await publisher({ ...mail, publishTimeout: "1s" }).push("ada", "")).waitResult()).toBe(3);
});

it("from schemas: its input is checked on both sides, its output where it runs", async () => {
  const input = z.object({ at: z.coerce.date<string>() });
  const signup = defineTask({
    queue: "definition.schema",
    broker: memory(),
    rpc: true,
    maxRetries: 0,
    input,
    output: z.object({ year: z.number().positive() }),
  });
  const task = boost({ ...signup, timeout: "5s" }, ({ at }) => ({ year: at.getUTCFullYear() - 2000 }));
  await task.consume();
  const signups = publisher(signup);
  expect(await (await signups.push({ at: "2026-11-30" })).waitResult()).toEqual({ year: 26 });
  await expect(signups.push({ at: "never" })).rejects.toMatchObject({ code: "BAD_ARGS" });
  await expect((await signups.push({ at: "1926-11-30" })).waitResult()).rejects.toThrow(/bad output: year: /);
});

it("is its params, frozen, and a copy of them", () => {
  const params = { queue: "definition.plain", params: ["n"], log: false as const };
  const plain = defineTask<(n: number) => void>(params);
  expect(plain).toEqual(params);
  expect(plain).not.toBe(params);
  expect(Object.isFrozen(plain)).toBe(true);
  expect(Reflect.ownKeys(plain)).toEqual(["queue", "params", "log"]);
});

it("refuses what is wrong in itself, and what only a run has", () => {
  expect(() => defineTask({ queue: "q", concurrency: 4 } as never)).toThrow(
    '[funboost] [q] defineTask() takes no "concurrency": only a run has it, so give it to boost(). It takes: queue,',
  );
  expect(() => defineTask({ queue: "q", rpc: 5 } as never)).toThrow(/"rpc" is 5/);
  expect(() => defineTask({} as never)).toThrow(/"queue" is missing/);
});
