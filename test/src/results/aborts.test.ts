/** One listener on a signal, however many waits share it. */
import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { addAbortable, deleteAbortable } from "../../../src/results/aborts.ts";

const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe("waits that share a signal", () => {
  it("are one listener, which is gone with the last of them", () => {
    const { signal } = new AbortController();
    const waits = Array.from({ length: 100 }, () => ({ aborted: () => {} }));
    for (const wait of waits) addAbortable(signal, wait);
    expect(listeners(signal)).toBe(1);
    for (const wait of waits) deleteAbortable(signal, wait);
    expect(listeners(signal)).toBe(0);
    addAbortable(signal, { aborted: () => {} });
    expect(listeners(signal)).toBe(1);
  });
  it("end with its reason, each once, but for those that have ended", () => {
    const stop = new AbortController();
    const told: unknown[] = [];
    const waits = ["a", "b", "c"].map((name) => ({
      aborted(reason: unknown) {
        told.push([name, reason]);
        deleteAbortable(stop.signal, this);
      },
    }));
    for (const wait of waits) addAbortable(stop.signal, wait);
    deleteAbortable(stop.signal, waits[1] as (typeof waits)[number]);
    stop.abort("enough");
    expect(told).toEqual([
      ["a", "enough"],
      ["c", "enough"],
    ]);
  });
});
