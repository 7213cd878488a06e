/** The shared controls in their corners: a late look at the signal, a crash between two steps, arguments that are no JSON. */
import { boost, configure, fct, shutdown, wrapBroker } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { sleep } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import type { Store } from "../../src/contract/index.ts";
import type { Schema } from "../../src/options/middleware.ts";
import { askToCancel, createCancelledIds } from "../../src/queue/cancelled-ids.ts";
import { onStore } from "../support/on-store.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

const gate = () => {
  let open = () => {};
  return { opened: new Promise<void>((resolve) => (open = resolve)), open: () => open() };
};

describe("cancel", () => {
  it("is seen by a run that asks for its signal only later", async () => {
    const door = gate();
    const task = boost(onStore(), async () => {
      await door.opened;
      return fct.signal?.aborted;
    });
    await task.consume();
    const handle = await task.push();
    await expect.poll(() => handle.state()).toBe("running");
    await handle.cancel();
    await sleep(50);
    door.open();
    expect(await handle.waitResult()).toBe(true);
  });

  it("ends a run that fails without having asked for its signal: it is not retried", async () => {
    const door = gate();
    const task = boost({ ...onStore(), maxRetries: 3, backoff: 60_000 }, async () => {
      await door.opened;
      throw new Error("no");
    });
    await task.consume();
    const handle = await task.push();
    await expect.poll(() => handle.state()).toBe("running");
    await handle.cancel();
    await sleep(50);
    door.open();
    await expect(handle.waitResult({ timeout: 1_000 })).rejects.toMatchObject({ status: "cancelled" });
  });

  it("of a waiting task is a record too", async () => {
    const rows: unknown[] = [];
    const task = boost({ ...onStore(), record: true, onRecord: (row) => rows.push(row.status) }, () => {});
    const handle = await task.publish([], { delay: "1h" });
    expect(await handle.cancel()).toBe(true);
    expect((await task.records()).map(({ id, status }) => [id, status])).toEqual([[handle.id, "cancelled"]]);
    expect(rows).toEqual(["cancelled"]);
  });

  it("of a waiting task holds when its answer was lost", async () => {
    let lost = 1;
    const params = onStore();
    const broker = wrapBroker(params.broker, ({ cancel }) => ({
      async cancel(ids) {
        const removed = (await cancel?.(ids)) ?? [];
        if (lost-- > 0) throw new FunboostError("BROKER_DOWN", "the connection was lost");
        return removed;
      },
    }));
    const task = boost({ ...params, broker }, () => {});
    const handle = await task.push();
    expect(await handle.cancel()).toBe(true);
    expect([await task.count(), await handle.state(), await handle.cancel()]).toEqual([0, "cancelled", false]);
  });

  it("of a waiting task is kept when the store is away for longer than publishTimeout", async () => {
    const store = memoryStore();
    let isDown = true;
    const away = () => Promise.reject(new FunboostError("BROKER_DOWN", "the store is away"));
    const get: Store["results"]["get"] = (...args) => (isDown ? away() : store.results.get(...args));
    const put: Store["results"]["put"] = (...args) => (isDown ? away() : store.results.put(...args));
    const task = boost(
      { ...onStore({ ...store, results: { ...store.results, get, put } }), publishTimeout: 200 },
      () => {},
    );
    const handle = await task.push();
    const cancelled = handle.cancel().catch((error: unknown) => error);
    await expect.poll(() => task.count()).toBe(0);
    await sleep(600);
    isDown = false;
    expect(await cancelled).toBe(true);
    await expect(handle.waitResult({ timeout: 2_000 })).rejects.toMatchObject({ status: "cancelled" });
  });

  it("counts where the clock is two seconds behind the publisher's; an id that was given again is another task", async () => {
    const store = memoryStore();
    const cancels = createCancelledIds(store, "s", () => {});
    const publishedAt = Date.now() + 2_000;
    await askToCancel(store, "s", ["a"]);
    await cancels.refresh();
    expect(cancels.has("a", publishedAt, {})).toBe(true);
    expect(cancels.has("a", publishedAt, { givenId: true })).toBe(false);
    expect(cancels.has("a", publishedAt + 60_000, {})).toBe(false);
    expect(cancels.has("b", publishedAt, {})).toBe(false);
  });

  it("gives up when the engine stays away, and says so", async () => {
    const params = onStore();
    const broker = wrapBroker(params.broker, () => ({
      cancel: () => Promise.reject(new FunboostError("BROKER_DOWN", "the connection was lost")),
    }));
    const task = boost({ ...params, broker, publishTimeout: 300 }, () => {});
    await expect((await task.push()).cancel()).rejects.toMatchObject({ code: "BROKER_DOWN" });
  });

  it("is heard again after the store has lost all", async () => {
    let store = memoryStore();
    const heard: string[] = [];
    const lists = {
      append: (...args: Parameters<Store["list"]["append"]>) => store.list.append(...args),
      read: (...args: Parameters<Store["list"]["read"]>) => store.list.read(...args),
    };
    const cancels = createCancelledIds({ ...store, list: lists }, "s", (id) => heard.push(id));
    for (const id of ["a", "b"]) await askToCancel(store, "s", [id]);
    await cancels.refresh();
    store = memoryStore();
    await cancels.refresh();
    for (const id of ["c", "d"]) await askToCancel(store, "s", [id]);
    await cancels.refresh();
    expect(heard).toEqual(["a", "b", "c", "d"]);
  });
});

describe("record", () => {
  it("takes arguments that JSON cannot", async () => {
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const seen: string[] = [];
    const params = {
      ...onStore(),
      params: ["n"],
      record: { running: true },
      onRecord: ({ args }: { args: string }) => seen.push(args),
      convert: (raw: unknown): [unknown] => [raw === "c" ? circular : 2n ** 70n],
    };
    const task = boost(params, (_n: unknown) => "ok");
    await task.consume();
    for (const raw of ["c", "b"]) expect(await (await task.publishRaw(raw)).waitResult({ timeout: 1_000 })).toBe("ok");
    expect(seen.at(-1)).toBe('["1180591620717411303424"]');
  });
});

describe("stats", () => {
  it("of a time to come are those until now", async () => {
    const task = boost(onStore(), () => {});
    expect((await task.stats({ to: new Date("9999-01-01"), step: "1m" })).length).toBeLessThan(70);
    await expect(task.stats({ to: Number.POSITIVE_INFINITY })).rejects.toMatchObject({ code: "BAD_OPTION" });
  });
});

describe("middleware", () => {
  it("of a publish may put right what the schema would refuse, one or many at once", async () => {
    const input: Schema = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value) => (Number(value) > 0 ? { value } : { issues: [{ message: "no" }] }),
      },
    };
    const task = boost(
      { ...onStore(), input, usePublish: [({ args }, next) => next({ args: [Math.abs(Number(args[0]))] })] },
      (_n: number) => {},
    );
    await task.push(-1);
    await task.pushMany([[-1], [-2]]);
    expect(await task.count()).toBe(3);
  });

  it("that does not await next() is waited for", async () => {
    const task = boost({ ...onStore(), use: [(_, next) => void next()] }, async (fails: boolean) => {
      await sleep(20);
      if (fails) throw new Error("no");
      return "yes";
    });
    await task.consume();
    expect(await (await task.push(false)).waitResult()).toBe("yes");
    await expect((await task.push(true)).waitResult()).rejects.toMatchObject({ status: "failed" });
  });
});
