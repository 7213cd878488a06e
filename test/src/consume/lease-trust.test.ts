/** What a process that stood still does with deliveries that it had not started: they may be others' by now. */
import { boost, configure, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { setClock, sleep } from "../../../src/base/clock.ts";
import { createLeaseTrust, type LeaseTrust } from "../../../src/consume/lease-trust.ts";
import { startUpkeep } from "../../../src/consume/upkeep.ts";
import type { Delivery, Settlement } from "../../../src/contract/index.ts";
import type { OpenQueue } from "../../../src/setup/model.ts";
import { createSlots } from "../../../src/slots/slots.ts";
import { gate } from "../../conformance/until.ts";
import { handClock } from "../../support/hand-clock.ts";

afterEach(() => setClock());

const leaseMs = 1_000;
configure({ lease: leaseMs, signals: false, log: { level: "silent" } });

function delivery(id: string): Delivery {
  return { id, body: {}, attempt: 1, native: undefined };
}

/** Slots for one run at a time, and what became of each delivery. */
function slotsOf(leaseTrust: LeaseTrust) {
  const ran: string[] = [];
  const work = gate();
  const slots = createSlots({
    limit: 1,
    maxSuspended: 10,
    lookahead: 10,
    rate: undefined,
    setWindow() {},
    mayBeLost: leaseTrust.isOver,
    run: async ({ id }) => {
      ran.push(id);
      await work.opened;
      return { settlement: { outcome: "done" } as Settlement };
    },
  });
  return { slots, ran, work };
}

describe("a process that stood still", () => {
  it("starts nothing that it held, not even before its own timers run", async () => {
    const { standStill } = handClock();
    const { slots, ran, work } = slotsOf(createLeaseTrust(leaseMs));
    const outcomes = ["one", "two", "three"].map((id) => slots.handle(delivery(id)));
    standStill(2 * leaseMs);
    work.open();
    expect((await Promise.all(outcomes)).map(({ outcome }) => outcome)).toEqual(["done", "returned", "returned"]);
    expect(ran).toEqual(["one"]);
  });

  it("starts nothing that it held to run alone", async () => {
    const { standStill } = handClock();
    const { slots, ran, work } = slotsOf(createLeaseTrust(leaseMs));
    const outcomes = [slots.handle(delivery("one")), slots.handle({ ...delivery("poison"), crashes: 2 })];
    standStill(2 * leaseMs);
    work.open();
    expect((await Promise.all(outcomes)).map(({ outcome }) => outcome)).toEqual(["done", "returned"]);
    expect(ran).toEqual(["one"]);
    expect(await slots.handle(delivery("next"))).toEqual({ outcome: "done" });
  });

  it("goes on with what it holds while its leases are renewed", async () => {
    const { pass } = handClock();
    const leaseTrust = createLeaseTrust(leaseMs);
    const { slots, ran, work } = slotsOf(leaseTrust);
    const stop = upkeep(
      leaseTrust,
      async () => {},
      () => slots.pump(),
    );
    const outcomes = ["one", "two"].map((id) => slots.handle(delivery(id)));
    await pass(20 * leaseMs);
    work.open();
    expect((await Promise.all(outcomes)).map(({ outcome }) => outcome)).toEqual(["done", "done"]);
    expect(ran).toEqual(["one", "two"]);
    await stop();
  });

  it.each(["before a renewal", "during a renewal"])("gives back what it holds: %s", async (when) => {
    const { pass, standStill } = handClock();
    const leaseTrust = createLeaseTrust(leaseMs);
    const given: boolean[] = [];
    let asked = 0;
    const renew = async () => {
      if (++asked === 2 && when === "during a renewal") standStill(2 * leaseMs);
    };
    const stop = upkeep(leaseTrust, renew, () => given.push(leaseTrust.isOver()));
    await pass(leaseMs / 2);
    if (when === "before a renewal") standStill(2 * leaseMs);
    await pass(leaseMs / 2);
    expect(given).toEqual([true]);
    await stop();
  });

  it("renews once more at once where the answer came so late that what it renewed up to has passed", async () => {
    const { pass, standStill } = handClock();
    const leaseTrust = createLeaseTrust(leaseMs);
    let asked = 0;
    const renew = async () => {
      if (++asked === 1) standStill(2 * leaseMs);
    };
    const stop = upkeep(leaseTrust, renew, () => {});
    await pass(0.32 * leaseMs);
    expect([asked, leaseTrust.isOver()]).toEqual([2, false]);
    await stop();
  });

  it("is not one that took long to connect: what waits for its turn is held", async () => {
    let handed = 0;
    const broker = wrapBroker(memory(), (inner) => ({
      async consume(handler, options) {
        await sleep(1.5 * leaseMs);
        const counted: typeof handler = (each) => {
          handed++;
          return handler(each);
        };
        return inner.consume(counted, options);
      },
    }));
    let runs = 0;
    const task = boost({ queue: "lease-trust", broker, qps: 2 }, (_n: number) => void runs++);
    await task.pushMany([[1], [2]]);
    const consumer = await task.consume();
    await expect.poll(() => runs, { timeout: 10_000 }).toBe(2);
    expect(handed).toBe(2);
    await consumer.close();
  });

  it("renews again after a renewal that hangs", async () => {
    const { pass } = handClock();
    const leaseTrust = createLeaseTrust(leaseMs);
    let asked = 0;
    const stop = upkeep(
      leaseTrust,
      () => (++asked === 1 ? new Promise<never>(() => {}) : Promise.resolve()),
      () => {},
    );
    await pass(31_000);
    expect([asked > 1, leaseTrust.isOver()]).toEqual([true, false]);
    await stop();
  });

  it("gives back what it holds while its leases cannot be renewed", async () => {
    const { pass } = handClock();
    const given: unknown[] = [];
    const leaseTrust = createLeaseTrust(leaseMs);
    const stop = upkeep(
      leaseTrust,
      () => Promise.reject(new Error("the engine is down")),
      () => given.push(1),
    );
    await pass(0.8 * leaseMs);
    expect(given).toEqual([]);
    await pass(leaseMs);
    expect(given.length).toBeGreaterThan(0);
    await stop();
  });
});

function upkeep(leaseTrust: LeaseTrust, renew: () => Promise<void>, giveBack: () => void) {
  return startUpkeep({
    task: { queue: {}, leaseMs } as unknown as OpenQueue,
    engine: { setWindow() {}, renew, status: () => ({ held: [] }), close: async () => {} },
    leaseTrust,
    giveBack,
    onPaused() {},
    onError() {},
  });
}
