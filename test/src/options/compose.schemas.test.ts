/** `input` by the schemas of zod, valibot and arktype: what travels is what the caller gave, the function gets what the schema made. */
import { type } from "arktype";
import { boost, configure, fct, publisher, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import * as v from "valibot";
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

let queues = 0;
const on = () => ({ queue: `schemas.${queues++}`, broker: memory(), rpc: true, maxRetries: 0 });
const noon = "2026-11-30T12:00:00.000Z";

describe("one argument", () => {
  it("zod: coerced and filled in for the function, as given on the way", async () => {
    const input = z.object({ at: z.coerce.date<string>(), times: z.number().default(3) });
    const task = boost({ ...on(), input }, ({ at, times }) => ({ hour: at.getUTCHours(), times, sent: fct.args }));
    await task.consume();
    expect(await (await task.push({ at: noon })).waitResult()).toEqual({ hour: 12, times: 3, sent: [{ at: noon }] });
    expect(task({ at: new Date(noon), times: 1 })).toMatchObject({ hour: 12, times: 1 }); // a plain call is the function's own
  });

  it("valibot and arktype: the same", async () => {
    const toDate = v.pipe(
      v.string(),
      v.transform((text) => new Date(text)),
    );
    const hour = boost({ ...on(), input: v.object({ at: toDate }) }, ({ at }) => at.getUTCHours());
    const parsed = boost(
      { ...on(), input: type({ at: "string.date.parse", times: "number = 3" }) },
      ({ at, times }) => at.getUTCHours() * times,
    );
    await hour.consume();
    await parsed.consume();
    expect(await (await hour.push({ at: noon })).waitResult()).toBe(12);
    expect(await (await parsed.push({ at: noon })).waitResult()).toBe(36);
    await expect(parsed.push({ at: "never" })).rejects.toMatchObject({ code: "BAD_ARGS" });
  });

  it("a Date is refused where it would be sent, though the schema takes it", async () => {
    const task = boost({ ...on(), input: z.object({ at: z.coerce.date() }) }, ({ at }) => at.getTime());
    const refusal = {
      code: "BAD_ARGS",
      message: expect.stringMatching(/at is a Date, which JSON cannot carry\. Send date\.toISOString\(\)/),
    };
    await expect(task.push({ at: new Date() })).rejects.toMatchObject(refusal);
    await expect(task.pushMany([[{ at: new Date() }]])).rejects.toMatchObject(refusal);
    expect(await task.count()).toBe(0);
  });

  it("may be left out where the schema fills it in", async () => {
    const task = boost({ ...on(), input: z.object({ n: z.number() }).default({ n: 7 }) }, ({ n }) => n);
    await task.consume();
    expect(await (await task.push()).waitResult()).toBe(7);
  });

  it("is one for a function whose second parameter is its own", async () => {
    const task = boost(
      { ...on(), input: z.object({ n: z.coerce.number<string>() }) },
      (item, times = 2) => item.n * times,
    );
    await task.consume();
    expect(await (await task.push({ n: "4" })).waitResult()).toBe(8);
    await expect(task.push({ n: "four" })).rejects.toThrow(/bad input: n: /);
  });
});

describe("a tuple of two and more", () => {
  const input = z.tuple([z.string(), z.coerce.number<string>().default(3)]);

  it("is the list of arguments, of which the last may be left out", async () => {
    const { queue, broker, rpc } = on();
    const task = boost({ queue, broker, rpc, input }, (text, times) => text.repeat(times));
    const jobs = publisher<typeof task>({ queue, broker, rpc, input });
    await task.consume();
    expect(await (await task.push("a", "2")).waitResult()).toBe("aa");
    expect(await (await task.push("a")).waitResult()).toBe("aaa");
    expect(await (await jobs.push("b")).waitResult()).toBe("bbb");
    await expect(task.push(5 as never)).rejects.toThrow(/bad input: 0: /);
  });

  it("a list that is the one argument stays one", async () => {
    const task = boost({ ...on(), input: z.array(z.coerce.number<string>()) }, (all) => all.length);
    await task.consume();
    expect(await (await task.push(["1", "2"])).waitResult()).toBe(2);
    await expect(task.push("1" as never)).rejects.toMatchObject({ code: "BAD_ARGS" });
  });

  it("which of the two it is, what the schema takes decides", async () => {
    const spread = z.object({ a: z.string() }).transform(({ a }): [string, number] => [a, 2]);
    const one = boost({ ...on(), input: spread }, (pair) => pair[0].repeat(pair[1]));
    await one.consume();
    expect(await (await one.push({ a: "ab" })).waitResult()).toBe("abab");
    const dated = z.tuple([z.string(), z.number()]).transform(([a, n]): [string, Date] => [a, new Date(n)]);
    const two = boost({ ...on(), input: dated }, (a, at) => a + at.toISOString());
    await two.consume();
    expect(await (await two.push("at ", 0)).waitResult()).toBe("at 1970-01-01T00:00:00.000Z");
  });
});
