/** What keeps a delivery from starting, and which reason wins. */
import { configure, shutdown, type TaskParams } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import type { Delivery, Store } from "../../../src/contract/index.ts";
import { readAttempt } from "../../../src/run/attempt.ts";
import { beforeStart } from "../../../src/run/before-start.ts";
import { openedOn } from "../../support/opened.ts";

configure({ signals: false, log: false });
afterEach(() => shutdown({ grace: 100 }));

const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
const bodyOf = (extra: object = {}) => ({ _n: 1, extra: { order: ["_n"], ...extra } });

/** Why a delivery does not start; `cancelled`: its id is among the cancelled ones. */
async function why(delivery: Partial<Delivery>, params?: Partial<TaskParams>, cancelled = false, store?: Store) {
  const task = await openedOn(store ?? memoryStore(), params);
  const whole: Delivery = { id: "a", body: bodyOf(), attempt: 1, publishedAt: Date.now(), native: {}, ...delivery };
  return beforeStart(task, readAttempt(task, whole), () => cancelled);
}

describe("before a start", () => {
  it("nothing stands in the way of a plain message, and nothing is awaited", async () => {
    const task = await openedOn(memoryStore());
    const attempt = readAttempt(task, { id: "a", body: bodyOf(), attempt: 1, native: {} });
    expect(attempt).toMatchObject({ args: [1], badMessage: undefined });
    expect(beforeStart(task, attempt, () => false)).toBeUndefined();
  });
  it("a body that is no call of the task is a bad message, even of a task that was cancelled", async () => {
    const body = "no JSON";
    expect(await why({ body }, {}, true)).toMatchObject({ why: "bad message", error: { code: "BAD_MESSAGE" } });
  });
  it("a call that does not bind is put off, unless it was cancelled or has expired", async () => {
    const body = { _n: 1, more: 2, extra: { order: ["_n", "more"] } };
    expect(await why({ body, crashes: 3 })).toMatchObject({ why: "unbound", error: { code: "BAD_MESSAGE" } });
    expect(await why({ body }, {}, true)).toEqual({ why: "cancelled" });
    expect(await why({ body, publishedAt: 1 }, { expireAfter: "1s" })).toMatchObject({ why: "expired" });
  });
  it("a cancelled task is cancelled, however old it is and whenever it is due", async () => {
    expect(await why({ body: bodyOf({ eta: inMs(60_000) }) }, {}, true)).toEqual({ why: "cancelled" });
    expect(await why({ publishedAt: 1 }, { expireAfter: "1s" }, true)).toEqual({ why: "cancelled" });
  });
  it("a message that its engine delivers before its eta is put back until then, but a retry is not", async () => {
    const body = bodyOf({ eta: inMs(60_000) });
    const obstacle = await why({ body });
    expect(obstacle).toMatchObject({ why: "not due" });
    const delayMs = obstacle?.why === "not due" ? obstacle.delayMs : 0;
    expect(delayMs).toBeGreaterThan(50_000);
    expect(delayMs).toBeLessThanOrEqual(60_000);
    expect(await why({ body, attempt: 2 })).toBeUndefined();
    // Its engine has kept that time: a second clock would hold it again.
    expect(await why({ body: bodyOf({ eta: inMs(60_000), is_timed: true }) })).toBeUndefined();
  });
  it("a message that waited too long has expired, by the task's limit or its own, but a retry has not", async () => {
    const old = { publishedAt: Date.now() - 5_000 };
    expect(await why(old, { expireAfter: "1s" })).toMatchObject({ why: "expired" });
    expect(await why({ ...old, body: bodyOf({ msg_expire_seconds: 1 }) })).toMatchObject({ why: "expired" });
    expect(await why({ ...old, attempt: 2 }, { expireAfter: "1s" })).toBeUndefined();
    expect(await why(old, { expireAfter: "1m" })).toBeUndefined();
  });
  it("a suspect that is alone starts as often as maxCrashes says, and then no more", async () => {
    const store = memoryStore();
    const task = await openedOn(store, { maxCrashes: 2 });
    const suspect: Delivery = { id: "a", body: bodyOf(), attempt: 1, publishedAt: 1, native: {}, crashes: 6 };
    const alone = { losses: 6, aloneFrom: 6 };
    const next = () => beforeStart(task, readAttempt(task, suspect), () => false, alone);
    expect([await next(), await next()]).toEqual([undefined, undefined]);
    expect(await next()).toEqual({ why: "crashes" });
  });
  it("what was lost and does not start for another reason is not counted as started", async () => {
    const store = memoryStore();
    let counts = 0;
    const counting: Store = {
      ...store,
      increment: (counters) => {
        counts += counters.length;
        return store.increment(counters);
      },
    };
    const lost = { crashes: 1, publishedAt: 1 };
    expect(await why(lost, {}, true, counting)).toEqual({ why: "cancelled" });
    expect(await why(lost, { expireAfter: "1s" }, false, counting)).toMatchObject({ why: "expired" });
    expect(counts).toBe(0);
    expect(await why(lost, {}, false, counting)).toBeUndefined();
    expect(counts).toBe(1);
  });
});
