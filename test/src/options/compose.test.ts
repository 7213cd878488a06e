/** use, usePublish, input, output. */
import { boost, configure, fct, type Handle, shutdown, type TaskError } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import type { Middleware, Schema } from "../../../src/options/middleware.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

let queues = 0;
const on = () => ({
  queue: `middleware.${queues++}`,
  broker: memory(),
  rpc: true,
  maxRetries: 0,
  deadLetter: true as const,
});
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
      return wrong < 0
        ? { value: list }
        : { issues: [{ message: "must be positive", path: Array.isArray(value) ? [wrong] : [] }] };
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
      {
        ...on(),
        use: [
          async (run, next) =>
            run.args?.[0] === "cached" ? "from cache" : next().catch((error: Error) => `caught ${error.message}`),
        ],
      },
      (name: string) => {
        throw new Error(name);
      },
    );
    await task.consume();
    expect(await (await task.push("x")).waitResult()).toBe("caught x");
    expect(await (await task.push("cached")).waitResult()).toBe("from cache");
  });

  it("that answers nothing answers what the task did, unless it has caught an error", async () => {
    const use: Middleware = async (_, next) => {
      await next().catch(() => {});
    };
    const task = boost({ ...on(), use: [use] }, (fails: boolean) => {
      if (fails) throw new Error("no");
      return "yes";
    });
    await task.consume();
    expect(await (await task.push(false)).waitResult()).toBe("yes");
    expect(await (await task.push(true)).waitResult()).toBe(undefined);
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
            const handle = await next({
              args: [Number(outgoing.args[0]) + 1],
              options: { ...outgoing.options, headers: { by: "me" } },
            });
            ids.push(handle.id);
            return handle;
          },
        ],
      },
      (n: number) => `${n} ${fct.headers.by}`,
    );
    await task.consume();
    const handles = [
      await task.push(1),
      ...(await task.pushMany([[2], [3]])),
      await task.publish([4], { taskId: "four" }),
    ];
    expect(await Promise.all(handles.map((handle) => handle.waitResult()))).toEqual(["2 me", "3 me", "4 me", "5 me"]);
    expect([...ids].sort()).toEqual(handles.map(({ id }) => id).sort());
    await expect(task.push(13)).rejects.toThrow("not 13");
    const error = await task.pushMany([[5], [13], [6]]).catch((each: unknown) => each);
    expect(error).toMatchObject({ code: "PUBLISH_FAILED", accepted: ids.slice(4), cause: { message: "not 13" } });
    expect(ids.length).toBe(6);
  });

  it("that calls next() twice is refused, and says what was published; one whose first call failed may try again", async () => {
    const twice = boost({ ...on(), usePublish: [(_, next) => next().finally(() => void next())] }, (n: number) => n);
    const error = (await twice.push(1).catch((each: unknown) => each)) as Error;
    expect(error).toMatchObject({ code: "BAD_OPTION" });
    expect(error.message).toMatch(
      /^\[funboost\] usePublish\[0\] called next\(\) twice: .* the first call did, as "\w+/,
    );
    expect(await twice.count()).toBe(1);

    let tries = 0;
    const failsOnce = (_: unknown, next: () => Promise<Handle>) =>
      tries++ === 0 ? Promise.reject(new Error("away")) : next();
    const again = boost(
      { ...on(), usePublish: [(_, next) => next().catch(() => next()), failsOnce] },
      (n: number) => n,
    );
    await again.push(1);
    expect(await again.count()).toBe(1);
  });

  it("that never calls on refuses the publish with its place; one that forgets to answer is forgiven", async () => {
    const silent = boost({ ...on(), usePublish: [(_, next) => next(), (() => {}) as never] }, (n: number) => n);
    await expect(silent.push(1)).rejects.toMatchObject({
      code: "BAD_OPTION",
      message:
        "[funboost] usePublish[1] answered nothing and did not call next(): nothing was published. Call next(), " +
        "or throw to refuse the message.",
    });
    expect(await silent.count()).toBe(0);
    const forgetful = boost(
      { ...on(), usePublish: [((_: unknown, next: () => Promise<unknown>) => void next()) as never] },
      (n: number) => n,
    );
    expect((await forgetful.push(1)).id).toBeTruthy();
    expect(await forgetful.count()).toBe(1);
  });

  it("that gives no list of arguments is refused", async () => {
    const task = boost({ ...on(), usePublish: [(_, next) => next({ args: 5 as never })] }, (n: number) => n);
    await expect(task.push(1)).rejects.toThrow(
      "usePublish[0] called next() with args 5. Allowed: a list of arguments.",
    );
    expect(await task.count()).toBe(0);
  });
});

describe("input and output", () => {
  it("refuse at publish, before anything is sent", async () => {
    const task = boost({ ...on(), input: positive }, (a: number, b: number) => a + b);
    await expect(task.push(1, -1)).rejects.toMatchObject({
      code: "BAD_ARGS",
      message: expect.stringMatching(/bad input: 1: must be positive/),
    });
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
    expect(await task.handle(bad.id).waitRecord()).toMatchObject({
      status: "dead",
      error: { message: "bad input: 0: must be positive" },
    });
  });

  it("fail a run whose result does not fit, without a retry", async () => {
    const task = boost({ ...on(), maxRetries: 3, output: positive }, (n: number) => -n);
    await task.consume();
    expect(await rejection((await task.push(1)).waitResult())).toMatchObject({
      status: "dead",
      attempts: 1,
      cause: { message: "bad output: must be positive" },
    });
  });

  it("a schema that throws refuses too", async () => {
    const task = boost({ ...on(), input: throwing }, (n: number) => n);
    await expect(task.push(1)).rejects.toThrow("bad input: the schema threw broken schema");
  });

  it.each<[string, Schema["~standard"]["validate"], RegExp]>([
    [
      "rejects",
      async () => Promise.reject(new RangeError("the database is down")),
      /bad input: the schema threw the database is down/,
    ],
    [
      "answers nothing",
      () => undefined as never,
      /bad input: the schema answered undefined, which is neither \{ value \} nor \{ issues \}/,
    ],
    ["answers no list for several", () => ({ value: 1 }), /bad input: the schema answered 1 for a list of arguments/],
    [
      "never answers",
      () => new Promise<never>(() => {}),
      /bad input: the schema did not answer within 50 ms \(publishTimeout\)/,
    ],
  ])("a schema that %s refuses the publish", async (_, validate, text) => {
    const input: Schema = { "~standard": { version: 1, vendor: "test", validate } };
    const task = boost({ ...on(), publishTimeout: 50, input }, (a: number, _b: number) => a);
    await expect(task.push(1, 2)).rejects.toMatchObject({ code: "BAD_ARGS", message: expect.stringMatching(text) });
    await expect(task.pushMany([[1, 2]])).rejects.toMatchObject({ code: "BAD_ARGS" });
    expect(await task.count()).toBe(0);
  });

  it("a schema that never answers ends with the run's own timeout, and one that is slow is waited for", async () => {
    const slow: Schema = {
      "~standard": { version: 1, vendor: "test", validate: (value) => sleep(30).then(() => ({ value })) },
    };
    const never: Schema = { "~standard": { version: 1, vendor: "test", validate: () => new Promise<never>(() => {}) } };
    const task = boost({ ...on(), input: slow, output: slow }, (n: number) => n);
    const stuck = boost({ ...on(), output: never, timeout: 50 }, (n: number) => n);
    await task.consume();
    await stuck.consume();
    expect(await (await task.push(7)).waitResult()).toBe(7);
    expect(await rejection((await stuck.push(7)).waitResult())).toMatchObject({ cause: { code: "TIMEOUT" } });
  });

  it("what is no schema and no middleware is refused", () => {
    const later = { "~standard": { version: 2, vendor: "test", validate: () => ({ value: 1 }) } };
    expect(() => boost({ queue: "q", output: later as never }, () => 1)).toThrow(/"output" is an object.*version 1/);
    expect(() => boost({ queue: "q", input: {} as never }, () => 1)).toThrow(/"input" is .*Standard Schema/);
    expect(() => boost({ queue: "q", use: [1] as never }, () => 1)).toThrow(/"use" is 1/);
    expect(() => boost({ queue: "q", use: [undefined] as never }, () => 1)).toThrow(
      /"use" is undefined. Allowed: a list of functions/,
    );
  });
});
