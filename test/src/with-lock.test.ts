/** withLock(): one at a time over all processes. */
import { configure, shutdown, withLock } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock, sleep } from "../../src/base/clock.ts";
import { handClock } from "../support/hand-clock.ts";

const store = memoryStore();
configure({ signals: false, log: { level: "silent" }, store });
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

describe("withLock", () => {
  it("lets one in at a time, renews while it works, and is free afterwards", async () => {
    const { pass } = handClock();
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await sleep(450);
      inside--;
      return most;
    };
    const results = Promise.all([1, 2, 3].map(() => withLock("one", { ttl: 200 }, work)));
    await pass(3_000);
    expect(await results).toEqual([1, 1, 1]);
  });

  it("gives up after its wait, at once with 0, or with its signal", async () => {
    await withLock("held", {}, async () => {
      await expect(withLock("held", { wait: 0 }, () => 1)).rejects.toMatchObject({ code: "LOCKED" });
      await expect(withLock("held", { wait: 50 }, () => 1)).rejects.toThrow(/held by another for all of 50 ms/);
      await expect(withLock("held", { signal: AbortSignal.timeout(50) }, () => 1)).rejects.toThrow(/timeout/);
    });
    expect(await withLock("held", { wait: 0 }, () => 1)).toBe(1);
  });

  it("is free after its ttl when its holder died, and tells a holder that lost it", async () => {
    await store.lease("lock:dead", "somebody else", 300);
    const start = performance.now();
    await withLock("dead", {}, () => {});
    expect(performance.now() - start).toBeGreaterThan(250);
    const lost = withLock("stolen", { ttl: 200 }, async (signal) => {
      const block = performance.now() + 300;
      while (performance.now() < block); // this process stands still for longer than the ttl
      expect(await store.lease("lock:stolen", "thief", 1_000)).not.toBeNull();
      await expect.poll(() => signal.aborted, { timeout: 2_000 }).toBe(true);
      return "told";
    });
    expect(await lost).toBe("told");
  });

  it("releases when the work throws, and refuses bad input", async () => {
    await expect(withLock("throws", {}, () => Promise.reject(new RangeError("x")))).rejects.toThrow(RangeError);
    expect(await withLock("throws", { wait: 0 }, () => 1)).toBe(1);
    await expect(withLock("", {}, () => 1)).rejects.toThrow(/takes a key/);
    await expect(withLock("a", { ttl: 0 }, () => 1)).rejects.toThrow(/"ttl" is 0/);
  });
});
