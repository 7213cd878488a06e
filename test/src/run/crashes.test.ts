/** Crashes of a message: counted at each start that it makes alone. */
import { configure, shutdown } from "funboost";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it } from "vitest";
import type { Delivery } from "../../../src/contract/index.ts";
import { crashedTooOften, forgetCrashes, isSuspect } from "../../../src/run/crashes.ts";
import { openedOn } from "../../support/opened.ts";

configure({ signals: false, log: false });
afterEach(() => shutdown({ grace: 100 }));

const suspect: Delivery = { id: "a", body: {}, attempt: 1, publishedAt: 1, native: {}, crashes: 2 };

describe("crashes", () => {
  it("make a suspect of a message at the second", () => {
    const { crashes: _, ...never } = suspect;
    expect([never, { ...never, crashes: 1 }, suspect].map(isSuspect)).toEqual([false, false, true]);
  });
  it("are counted in the store, and forgotten when a start ends", async () => {
    const task = await openedOn(memoryStore(), { maxCrashes: 1 });
    expect(await crashedTooOften(task, suspect)).toBe(false);
    expect(await crashedTooOften(task, suspect)).toBe(true);
    await forgetCrashes(task, suspect);
    expect(await crashedTooOften(task, suspect)).toBe(false);
  });
  it("of an id that was published again are those of another message", async () => {
    const task = await openedOn(memoryStore(), { maxCrashes: 1 });
    expect(await crashedTooOften(task, suspect)).toBe(false);
    expect(await crashedTooOften(task, { ...suspect, publishedAt: 2 })).toBe(false);
  });
  it("are as many as the engine says, beyond those that made it a suspect, where there is no store", async () => {
    const task = { ...(await openedOn(memoryStore(), { maxCrashes: 2 })), store: undefined };
    expect(await crashedTooOften(task, { ...suspect, crashes: 3 })).toBe(false);
    expect(await crashedTooOften(task, { ...suspect, crashes: 4 })).toBe(true);
  });
});
