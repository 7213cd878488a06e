/** How one consumer stops. */
import { boost, shutdown, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import { handClock } from "../../support/hand-clock.ts";

let n = 0;
const queue = () => `stop.${n++}`;

afterEach(() => shutdown({ grace: 100 }));

describe("a consumer", () => {
  it("closes though its engine hangs", async () => {
    const { pass } = handClock();
    try {
      const broker = wrapBroker(memory(), (inner) => ({
        consume: async (...how) => ({ ...(await inner.consume(...how)), close: () => new Promise<never>(() => {}) }),
      }));
      const consumer = await boost({ queue: queue(), broker }, () => {}).consume();
      let closed = false;
      const closing = consumer.close({ grace: 0 }).then(() => (closed = true));
      await pass(12_000);
      expect(closed).toBe(true);
      await closing;
    } finally {
      setClock();
    }
  });
});
