/** Losses of a message: marked while it runs, counted where it runs alone. */
import { configure, shutdown } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import type { Delivery, Store } from "../../../src/contract/index.ts";
import { crashedTooOften, lossesOf, markedStart, wasLost } from "../../../src/run/crashes.ts";
import type { Slot } from "../../../src/slots/slot.ts";
import { openedOn } from "../../support/opened.ts";

configure({ signals: false, log: false });
afterEach(() => shutdown({ grace: 100 }));

const lost: Delivery = { id: "a", body: {}, attempt: 1, publishedAt: 1, native: {}, crashes: 9 };
const alone = { losses: 6, aloneFrom: 6 };
const slot: Slot = { trial: alone, suspend: () => () => Promise.resolve() };
const storeless = async (params: { maxCrashes?: number } = {}) => ({
  ...(await openedOn(memoryStore(), params)),
  store: undefined,
});

describe("losses", () => {
  it("are asked of the store only where there was one", () => {
    const { crashes: _, ...never } = lost;
    expect([never, { ...never, crashes: 0 }, { ...never, crashes: 1 }].map(wasLost)).toEqual([false, false, true]);
  });
  it("are the first, and those after a start that did not end", async () => {
    const task = await openedOn(memoryStore());
    const seen = [await lossesOf(task, lost)];
    for (let i = 0; i < 2; i++) {
      await crashedTooOften(task, lost, undefined);
      seen.push(await lossesOf(task, lost));
    }
    expect(seen).toEqual([1, 2, 3]);
    expect(await lossesOf(task, { ...lost, crashes: 2 })).toBe(2);
    await markedStart(task, lost, slot).forget();
    expect(await lossesOf(task, lost)).toBe(1);
  });
  it("of an id that was published again are those of another message", async () => {
    const task = await openedOn(memoryStore());
    await crashedTooOften(task, lost, undefined);
    expect(await lossesOf(task, { ...lost, publishedAt: 2 })).toBe(1);
  });
  it("are not counted for what waited for others", async () => {
    const task = await openedOn(memoryStore());
    await crashedTooOften(task, lost, undefined);
    const marked = markedStart(task, lost, slot);
    const first = marked.slot.suspend();
    const second = marked.slot.suspend();
    expect(await lossesOf(task, lost)).toBe(1);
    await first();
    expect(await lossesOf(task, lost)).toBe(1);
    await second();
    expect(await lossesOf(task, lost)).toBe(2);
  });
  it("leave no mark when a wait ends after its run", async () => {
    const task = await openedOn(memoryStore());
    await crashedTooOften(task, lost, undefined);
    const marked = markedStart(task, lost, slot);
    const resume = marked.slot.suspend();
    await marked.forget();
    await resume();
    expect(await lossesOf(task, lost)).toBe(1);
  });
  it("are as many as the engine says where there is no store, or where it does not answer", async () => {
    expect(await lossesOf(await storeless(), lost)).toBe(9);
    const away: Store = { ...memoryStore(), get: () => Promise.reject(new Error("away")) };
    expect(await lossesOf(await openedOn(away), lost)).toBe(9);
  });
  it("hold up no start and no end while the store is away", async () => {
    const fail = () => Promise.reject(new Error("away"));
    const task = await openedOn({ ...memoryStore(), increment: fail, delete: fail });
    expect(await crashedTooOften(task, lost, undefined)).toBe(false);
    const { slot: marked, forget } = markedStart(task, lost, { ...slot, trial: undefined });
    await marked.suspend()();
    await forget();
  });
});

describe("crashes alone", () => {
  it("are counted in the store, and forgotten when a start ends", async () => {
    const task = await openedOn(memoryStore(), { maxCrashes: 1 });
    expect(await crashedTooOften(task, lost, alone)).toBe(false);
    expect(await crashedTooOften(task, lost, alone)).toBe(true);
    await markedStart(task, lost, slot).forget();
    expect(await crashedTooOften(task, lost, alone)).toBe(false);
  });
  it("are no crashes beside others", async () => {
    const task = await openedOn(memoryStore(), { maxCrashes: 1 });
    for (let i = 0; i < 3; i++) {
      expect(await crashedTooOften(task, lost, undefined)).toBe(false);
      expect(await crashedTooOften(task, lost, { losses: 2, aloneFrom: undefined })).toBe(false);
    }
    expect(await crashedTooOften(task, lost, alone)).toBe(false);
  });
  it("are as many as the engine says, from when it is alone, where there is no store", async () => {
    const task = await storeless({ maxCrashes: 2 });
    const tooOften = (crashes: number, trial?: typeof alone) => crashedTooOften(task, { ...lost, crashes }, trial);
    expect([await tooOften(9), await tooOften(7, alone), await tooOften(8, alone)]).toEqual([false, false, true]);
  });
});
