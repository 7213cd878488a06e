/** When a Worker may poll. */
import { describe, expect, it } from "vitest";
import { createSlots } from "../../../../adapters/temporal/workflow/slots.ts";
import { sleep } from "../../../../src/base/clock.ts";

describe("an orchestrator's slots", () => {
  const context = {} as never;
  it("never grants more than there is room for, wakes when there is more, and forgets who has given up", async () => {
    let room = 1;
    const slots = createSlots(
      () => room,
      () => {},
    );
    const granted: number[] = [];
    const stop = new AbortController();
    const reserve = (n: number, signal = new AbortController().signal) =>
      slots.supplier.reserveSlot(context, signal).then(() => granted.push(n));
    void reserve(1);
    const givenUp = reserve(2, stop.signal);
    void reserve(3);
    await sleep(1);
    expect(granted).toEqual([1]);
    stop.abort(new Error("no longer"));
    await expect(givenUp).rejects.toThrow("no longer");
    room = 2;
    slots.grant();
    await sleep(1);
    expect([granted, slots.polling(), slots.supplier.tryReserveSlot(context)]).toEqual([[1, 3], 2, null]);
    room = 0;
    void reserve(4);
    slots.supplier.releaseSlot({ permit: {} });
    await sleep(1);
    expect(granted).toEqual([1, 3]);
  });
});
