/** What every store promises of rows of starts and leases. */
import { expect } from "vitest";
import { clock, sleep } from "../../../src/base/clock.ts";
import type { ReservedStart } from "../../../src/contract/index.ts";
import { expectLeft, type StoreCase, waits } from "./case.ts";

export const limits: Record<string, StoreCase> = {
  "reserves evenly spaced starts, over all who ask": async ({ store, other }) => {
    const row = { perMs: 50, places: 20, count: 3, slackMs: 20 };
    const since = clock.monotonic();
    const first = await waits(store, "k", row);
    expect(first[0]).toBe(0);
    expect(first.map(Math.round)).toEqual([0, 50, 100]);
    const [next] = await waits(other, "k", { ...row, count: 1 });
    expectLeft(next, 150, since);
    const [one, two] = await Promise.all([waits(store, "two", row), waits(other, "two", row)]);
    const [early, late] = one[0] === 0 ? [one, two] : [two, one];
    expect(early.map(Math.round)).toEqual([0, 50, 100]);
    for (const [index, each] of late.entries()) expectLeft(each, 150 + index * 50, since);
    expect((await waits(store, "another", row))[0]).toBe(0);
  },
  "catches up by the slack where starts are closer to each other, and by nothing where they are not": async ({
    store,
    other,
  }) => {
    for (const [perMs, expected] of [
      [5, [0, 0, 0, 0, 0, 5]],
      [50, [0, 50, 100, 150, 200, 250]],
    ] as const) {
      const row = { perMs, places: 20, count: 6, slackMs: 20 };
      expect((await waits(store, `r${perMs}`, row)).map(Math.round)).toEqual(expected);
      await sleep(6 * perMs + 140);
      expect((await waits(other, `r${perMs}`, row)).map(Math.round)).toEqual(expected);
    }
  },
  "does not move later starts for one that is late by less than the slack": async ({ store }) => {
    const since = clock.monotonic();
    const row = { perMs: 400, places: 3, slackMs: 350 };
    await store.reserve("k", { ...row, count: 1 });
    await sleep(430);
    const [now, next] = await waits(store, "k", { ...row, count: 2 });
    expect(now).toBe(0);
    expectLeft(next, 800, since);
    expect(next).toBeLessThan(390);
  },
  "gives the place of a start that did not come to another, once": async ({ store, other }) => {
    const row = { perMs: 500, places: 4, slackMs: 4 };
    const since = clock.monotonic();
    const [first] = (await store.reserve("k", { ...row, count: 2 })).starts;
    const unused = [(first as ReservedStart).number];
    expect((await other.reserve("k", { ...row, count: 0, unused })).starts).toEqual([]);
    const [again, next, later] = await waits(store, "k", { ...row, count: 3, unused });
    expect(again).toBe(0);
    expectLeft(next, 1_000, since);
    expectLeft(later, 1_500, since);
    const [place] = await waits(other, "k", { ...row, count: 1, unused });
    expect(place).toBeGreaterThan(1_500);
  },
  "uses a place again only when its time has come round, whatever is given back": async ({ store, other }) => {
    const row = { perMs: 10, places: 10, slackMs: 4, count: 3 };
    const starts: number[] = [];
    const since = clock.monotonic();
    const unused: number[] = [];
    for (let n = 0; n < 40; n++) {
      const { starts: given } = await (n % 2 ? store : other).reserve("k", { ...row, unused });
      const at = clock.monotonic() - since;
      unused.push(...given.slice(0, 1).map(({ number }) => number)); // told again and again
      starts.push(...given.slice(1).map(({ waitMs }) => at + waitMs));
      await sleep(given[0]?.waitMs ?? 0);
    }
    starts.sort((a, b) => a - b);
    const spans = starts.slice(10).map((start, i) => start - (starts[i] as number));
    expect(Math.min(...spans)).toBeGreaterThan(100 - 20);
  },
  "leaves a place empty for as much longer as its start may be late": async ({ store }) => {
    const row = { perMs: 100, places: 1, slackMs: 4, count: 1 };
    const since = clock.monotonic();
    await store.reserve("k", { ...row, lateMs: 300 });
    await sleep(60);
    const [next] = await waits(store, "k", row);
    expectLeft(next, 400, since);
  },
  "reserves nothing that is due later than is asked for, and says when the next is": async ({ store, other }) => {
    const row = { perMs: 400, places: 1, slackMs: 4, count: 3 };
    const since = clock.monotonic();
    expect(await waits(store, "k", { ...row, aheadMs: 200 })).toEqual([0]);
    const { starts, nextMs } = await other.reserve("k", { ...row, aheadMs: 200 });
    expect(starts).toEqual([]);
    expectLeft(nextMs, 400, since);
    await sleep(nextMs - 190);
    const [next] = await waits(other, "k", { ...row, aheadMs: 200 });
    expectLeft(next, 400, since);
  },
  "gives a lease to one owner, renews it, and fences owners apart": async ({ store, other }) => {
    const first = await store.lease("l", "a", 300);
    expect(first?.fence).toEqual(expect.any(Number));
    expect(await other.lease("l", "b", 300)).toBeNull();
    expect(await other.lease("another", "b", 300)).not.toBeNull();
    await other.release("l", "b");
    expect(await other.lease("l", "b", 300)).toBeNull();
    await sleep(200);
    expect(await store.lease("l", "a", 300)).toEqual(first);
    await sleep(200);
    expect(await other.lease("l", "b", 300)).toBeNull();
    await sleep(130);
    const second = await other.lease("l", "b", 60_000);
    expect(second?.fence).toBeGreaterThan(first?.fence ?? Number.NaN);
    await store.release("l", "a");
    expect(await store.lease("l", "a", 300)).toBeNull();
    await other.release("l", "b");
    const third = await store.lease("l", "a", 300);
    expect(third?.fence).toBeGreaterThan(second?.fence ?? Number.NaN);
  },
  "renews one term of a lease, and does not take it again when that is over": async ({ store, other }) => {
    const { fence } = (await store.lease("l", "a", 300)) ?? { fence: Number.NaN };
    await sleep(200);
    expect(await store.lease("l", "a", 300, fence)).toEqual({ fence });
    expect(await store.lease("l", "a", 300, fence - 1)).toBeNull();
    expect(await store.lease("l", "b", 300, fence)).toBeNull();
    await sleep(200);
    expect(await other.lease("l", "b", 300)).toBeNull();
    await sleep(130);
    expect(await store.lease("l", "a", 60_000, fence)).toBeNull();
    const second = await other.lease("l", "b", 60_000);
    expect(second?.fence).toBeGreaterThan(fence);
    expect(await store.lease("l", "a", 60_000, fence)).toBeNull();
    await other.release("l", "b");
    expect(await other.lease("l", "b", 60_000, second?.fence)).toBeNull();
    expect((await store.lease("l", "a", 300))?.fence).toBeGreaterThan(second?.fence ?? Number.NaN);
  },
};
