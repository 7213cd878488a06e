/** How fast a consumer may start: a hold after a 429. */
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import { createStartRate } from "../../../src/consume/start-rate.ts";
import type { OpenQueue } from "../../../src/setup/model.ts";
import { createSlots, type Slots } from "../../../src/slots/slots.ts";
import { handClock } from "../../support/hand-clock.ts";

afterEach(() => setClock());

describe("a hold", () => {
  it("has one timer however often it is made longer, and ends", async () => {
    const clock = handClock();
    const ids: string[] = [];
    const slots = createSlots({
      limit: 5,
      maxSuspended: 10,
      lookahead: 0,
      rate: undefined,
      setWindow() {},
      run({ id }) {
        ids.push(id);
        return { settlement: { outcome: "done" } };
      },
    });
    let looks = 0;
    const setRate: Slots["setRate"] = (rate) => {
      looks++;
      slots.setRate(rate);
    };
    const startRate = createStartRate({ options: {} } as OpenQueue, { ...slots, setRate }, () => {});
    for (let i = 0; i < 100; i++) {
      startRate.hold(600); // as each look into the store does
      await clock.pass(300);
    }
    expect(looks).toBeLessThan(250);
    void slots.handle({ id: "a", body: {}, attempt: 1, native: undefined });
    expect([ids, startRate.control()]).toEqual([[], "slowDown"]);
    await clock.pass(300);
    expect([ids, startRate.control()]).toEqual([["a"], undefined]);
  });
});
