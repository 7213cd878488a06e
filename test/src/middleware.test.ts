/** use, usePublish, input, output. */
import { boost, configure, fct, shutdown, type TaskError } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import type { Schema } from "../../src/middleware.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

let queues = 0;
const on = () => ({ queue: `middleware.${queues++}`, broker: memory(), rpc: true, maxRetries: 0, deadLetter: true as const });
const rejection = (work: Promise<unknown>) =>
  work.then(
    () => expect.unreachable(),
    (error: TaskError) => error,
  );

/** A schema of positive numbers, that turns texts into numbers. */
const positive: Schema = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate(value) {
      const list = Array.isArray(value) ? value.map(Number) : Number(value);
      const wrong = [list].flat().findIndex((each) => !(each > 0));
      return wrong < 0 ? { value: list } : { issues: [{ message: "must be positive", path: Array.isArray(value) ? [wrong] : [] }] };
    },
  },
};
const throwing: Schema = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate() {
      throw new Error("broken schema");
    },
  },
};

describe("use", () => {
  it("stands around each run, outermost first, in its context, and may change the result", async () => {
    const seen: string[] = [];
    const task = boost(
      {
        ...on(),
        use: [
          async (run, next) => {
            seen.push(`a ${run.taskId === fct.taskId} ${run.args}`);
            const value = await next();
            seen.push(`a saw ${value}`);
            return Number(value) + 1;
          },
          (_, next) => {
            seen.push("b");
            return next();
          },
        ],
      },
      (n: number) => n * 10,
    );
    await task.consume();
    expect(await (await task.push(2)).waitResult()).toBe(21);
    expect(seen).toEqual(["a true 2", "b", "a saw 20"]);
    expect(await task(2)).toBe(20);
  });

  it("sees errors, and may answer instead of the task", async () => {
    const task = boost(
      { ...on(), use: [async (run, next) => (run.args?.[0] === "cached" ? "from cache" : next().catch((error: Error) => `caught ${error.message}`))] },
      (name: string) => {
        throw new Error(name);
      },
    );
    await task.consume();
    expect(await (await task.push("x")).waitResult()).toBe("caught x");
    expect(await (await task.push("cached")).waitResult()).toBe("from cache");
  });

  it("that never calls on fails the run with its place", async () => {
    const task = boost({ ...on(), use: [(_, next) => next(), () => {}] }, (n: number) => n);
    await task.consume();
    const error = await rejection((await task.push(1)).waitResult());
    expect((error.cause as Error).message).toMatch(/use\[1\] answered nothing and did not call next\(\)/);
  });
});

describe("usePublish", () => {
  it("changes arguments and options, sees the handle, refuses by throwing; each of a list too", async () => {
    const ids: string[] = [];
    const task = boost(
      {
        ...on(),
        usePublish: [
          async (outgoing, next) => {
            if (outgoing.args[0] === 13) throw new RangeError("not 13");
            const handle = await next({ args: [Number(outgoing.args[0]) + 1], options: { ...outgoing.options, headers: { by: "me" } } });
            ids.push(handle.id);
            return handle;
          },
        ],
      },
      (n: number) => `${n} ${fct.headers.by}`,
    );
    await task.consume();
    const handles = [await task.push(1), ...(await task.pushMany([[2], [3]])), await task.publish([4], { taskId: "four" })];
    expect(await Promise.all(handles.map((handle) => handle.waitResult()))).toEqual(["2 me", "3 me", "4 me", "5 me"]);
    expect(ids.sort()).toEqual(handles.map(({ id }) => id).sort());
    await expect(task.push(13)).rejects.toThrow("not 13");
  });
});

describe("input and output", () => {
  it("refuse at publish, before anything is sent", async () => {
    const task = boost({ ...on(), input: positive }, (a: number, b: number) => a + b);
    await expect(task.push(1, -1)).rejects.toMatchObject({ code: "BAD_ARGS", message: expect.stringMatching(/bad input: 1: must be positive/) });
    await expect(
      task.pushMany([
        [1, 1],
        [0, 1],
      ]),
    ).rejects.toMatchObject({ code: "BAD_ARGS" });
    expect(await task.count()).toBe(0);
  });

  it("give the run what the schema made of it, and move what does not fit to the dead letters", async () => {
    const task = boost({ ...on(), params: ["a", "b"], input: positive }, (a: number, b: number) => a + b);
    await task.consume();
    const good = await task.publishRaw({ a: "1", b: "2" });
    expect(await task.handle(good.id).waitRecord()).toMatchObject({ status: "done", result: 3 });
    const bad = await task.publishRaw({ a: "x", b: "2" });
    expect(await task.handle(bad.id).waitRecord()).toMatchObject({ status: "dead", error: { message: "bad input: 0: must be positive" } });
  });

  it("fail a run whose result does not fit, without a retry", async () => {
    const task = boost({ ...on(), maxRetries: 3, output: positive }, (n: number) => -n);
    await task.consume();
    expect(await rejection((await task.push(1)).waitResult())).toMatchObject({
      status: "failed",
      attempts: 1,
      cause: { message: "bad output: must be positive" },
    });
  });

  it("a schema that throws refuses too", async () => {
    const task = boost({ ...on(), input: throwing }, (n: number) => n);
    await expect(task.push(1)).rejects.toThrow("bad input: the schema threw broken schema");
  });

  it("what is no schema and no middleware is refused", () => {
    expect(() => boost({ queue: "q", input: {} as never }, () => 1)).toThrow(/"input" is .*Standard Schema/);
    expect(() => boost({ queue: "q", use: [1] as never }, () => 1)).toThrow(/"use" is 1/);
  });
});

describe("onRecord", () => {
  it("gets each row before the task is over, and its errors touch nothing", async () => {
    const rows: unknown[] = [];
    const task = boost(
      {
        ...on(),
        onRecord: (row) => {
          rows.push([row.args, row.status, row.result]);
          throw new Error("the table is locked");
        },
      },
      (n: number) => n * 2,
    );
    await task.consume();
    expect(await (await task.push(4)).waitResult()).toBe(8);
    await expect.poll(() => rows).toEqual([["[4]", "done", 8]]);
    await expect.poll(() => task.count()).toBe(0);
  });
});
