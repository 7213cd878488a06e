/** Results that the engine keeps, without any store. */
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../src/base/clock.ts";
import { boost, configure, ResultError, shutdown, TaskError, waitAll, wrapBroker } from "../../src/index.ts";
import { rejection } from "../conformance/until.ts";
import { handClock } from "../support/hand-clock.ts";
import { nativeResults } from "../support/native-results.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

class Declined extends Error {
  override name = "Declined";
}

let queues = 0;
const on = () => ({
  queue: `native.${queues++}`,
  broker: nativeResults(),
  rpc: true,
  backoff: 0,
  maxRetries: 1,
  errors: [Declined],
});

describe("results that an engine keeps", () => {
  it("answer waiters, also late ones, and many at once", async () => {
    const task = boost(on(), (n: number) => ({ twice: n * 2 }));
    await task.consume();
    const handles = await task.pushMany([[1], [2], [3]]);
    expect(await waitAll(handles)).toEqual([{ twice: 2 }, { twice: 4 }, { twice: 6 }]);
    expect(await handles[1]?.waitResult()).toEqual({ twice: 4 });
    expect(await task.handle(handles[2]?.id as string).waitResult()).toEqual({ twice: 6 });
  });

  it("bring errors back with class, cause and attempts", async () => {
    const task = boost(on(), () => {
      throw new Declined("no money", { cause: new RangeError("inner") });
    });
    await task.consume();
    const handle = await task.push();
    const error = (await handle.waitResult().catch((each: unknown) => each)) as TaskError;
    expect(error).toBeInstanceOf(TaskError);
    expect(error).toMatchObject({
      status: "failed",
      attempts: 2,
      cause: { message: "no money", cause: { name: "RangeError", message: "inner" } },
    });
    expect(error.cause).toBeInstanceOf(Declined);
    expect(await handle.state()).toBe("failed");
  });

  it("fill the record, at once or when the task has ended", async () => {
    let open = () => {};
    const door = new Promise<void>((resolve) => (open = resolve));
    const task = boost(on(), async () => {
      await door;
      return "late";
    });
    const handle = await task.push();
    expect(await handle.record()).toBeUndefined();
    await task.consume();
    const waiting = handle.waitRecord();
    open();
    expect(await waiting).toMatchObject({
      id: handle.id,
      status: "done",
      result: "late",
      attempts: 1,
      pid: process.pid,
    });
    expect((await handle.record())?.startedAt).toBeGreaterThan(1e12);
  });

  it("say where a result was lost", async () => {
    const task = boost(on(), () => ({ big: 1n }));
    await task.consume();
    const error = await (await task.push()).waitResult().catch((each: unknown) => each);
    expect(error).toBeInstanceOf(ResultError);
    expect(error).toMatchObject({ path: "result.big" });
  });

  it("answer the waiters of a cancelled task, whose id is free again", async () => {
    const task = boost(on(), (n: number) => n);
    const handle = await task.publish([1], { taskId: "a" });
    const waiting = handle.waitResult().catch((each: unknown) => each);
    expect(await handle.cancel()).toBe(true);
    expect(await waiting).toMatchObject({ code: "CANCELLED", status: "cancelled" });
    expect((await task.publish([1], { taskId: "a" })).existing).toBe(false);
  });

  it("keep an id known", async () => {
    const task = boost(on(), (n: number) => n);
    await task.consume();
    expect(await (await task.publish([1], { taskId: "a" })).waitResult()).toBe(1);
    const again = await task.publish([2], { taskId: "a" });
    expect([again.existing, await again.waitResult()]).toEqual([true, 1]);
  });

  it("are not waited for where nobody asked to wait, should the engine hang", async () => {
    const { pass } = handClock();
    const broker = wrapBroker(nativeResults(), () => ({ result: () => new Promise<never>(() => {}) }));
    const task = boost({ ...on(), broker }, (n: number) => n);
    await task.count();
    const refused = rejection(task.handle("a").state());
    await pass(31_000);
    setClock();
    expect((await refused).code).toBe("BROKER_DOWN");
  });

  it("refuse a wait for an id that the engine does not know, unless it is waited for", async () => {
    const task = boost(on(), (n: number) => n);
    const wait = { timeout: "20s" } as const;
    await expect(task.handle("nobody").waitResult(wait)).rejects.toMatchObject({ code: "UNKNOWN_TASK" });
    const later = task.handle("later").waitResult({ ...wait, unknown: "wait" });
    await task.consume();
    await task.publish([7], { taskId: "later" });
    expect(await later).toBe(7);
  });

  it("tell the waiters of what clear() removed", async () => {
    const task = boost(on(), (n: number) => n);
    const handle = await task.push(1);
    const waiting = handle.waitResult().catch((each: unknown) => each);
    await task.clear();
    expect(await waiting).toMatchObject({ code: "CLEARED", status: "cancelled" });
    expect((await handle.waitRecord()).error).toMatchObject({ code: "CLEARED" });
  });

  it("say that one is gone which the engine has forgotten", async () => {
    const broker = wrapBroker(nativeResults(), () => ({ result: async () => undefined, state: async () => "unknown" }));
    const handle = await boost({ ...on(), broker }, (n: number) => n).push(1);
    await expect(handle.waitResult({ timeout: "20s" })).rejects.toMatchObject({ code: "NO_RESULT" });
  });

  it("are waited for while a timer of the store holds the message", async () => {
    let asked = 0;
    const broker = wrapBroker(nativeResults(), () => ({
      result: async () => (++asked > 4 ? { status: "done" as const, result: "late" } : undefined),
      state: async () => undefined,
    }));
    const handle = await boost({ ...on(), broker }, (n: number) => n).push(1);
    expect(await handle.waitResult({ timeout: "20s" })).toBe("late");
  });
});
