/** One settlement that its engine refuses holds neither the others nor the next messages; an outage blames none. */
import { afterEach, expect, it } from "vitest";
import { poll, type SettledDelivery } from "../../../adapters/shared/poll.ts";
import { setClock } from "../../../src/base/clock.ts";
import type { Delivery } from "../../../src/contract/index.ts";
import { handClock } from "../../support/hand-clock.ts";

afterEach(() => setClock());

/** Hands out `ids`, a window at a time. */
function engine(ids: readonly string[], window: number) {
  const waiting = [...ids];
  const settled: string[] = [];
  /** How many went together, each time that the poison was among them. */
  const sizes: number[] = [];
  const state = { down: false, refuses: true };
  const exchange = async (settlements: readonly SettledDelivery<Delivery>[], take: number) => {
    const sent = settlements.map(({ delivery }) => delivery.id);
    if (sent.includes("poison")) sizes.push(sent.length);
    if (state.down || (state.refuses && sent.includes("poison"))) throw new Error("no");
    settled.push(...sent);
    return { deliveries: waiting.splice(0, take).map((id) => ({ id, body: {}, attempt: 1, native: undefined })) };
  };
  const options = { signal: false, onSettled: () => {}, onError: () => {} };
  const consumer = poll<Delivery>({ exchange, batchSize: 10, idleMs: 500 }, async () => ({ outcome: "done" }), options);
  consumer.setWindow(window);
  return { consumer, settled, sizes, state };
}

const good = Array.from({ length: 30 }, (_, i) => `good-${i}`);

it.each([2, 5, 20])("holds nothing else, with a window of %i, and is tried ever later", async (window) => {
  const clock = handClock();
  const { settled, sizes, state, consumer } = engine(["poison", ...good], window);
  await clock.pass(6_000);
  expect(settled.sort()).toEqual([...good].sort());
  const before = sizes.length;
  await clock.pass(60_000);
  const later = sizes.slice(before);
  expect(later.length).toBeLessThanOrEqual(5);
  expect(Math.max(...later)).toBe(1);
  state.refuses = false;
  await clock.pass(60_000);
  expect(settled).toContain("poison");
  expect(consumer.status().held).toEqual([]);
});

it("is tried on where nothing else is there, and settled when its engine takes it", async () => {
  const clock = handClock();
  const { settled, sizes, state } = engine(["poison"], 1);
  await clock.pass(20_000);
  expect(sizes.length).toBeGreaterThan(3);
  state.refuses = false;
  await clock.pass(10_000);
  expect(settled).toEqual(["poison"]);
});

it.each([1, 10])("an outage blames none: all is settled soon after it, with a window of %i", async (window) => {
  const clock = handClock();
  const { settled, state } = engine(good, window);
  await clock.pass(2);
  state.down = true;
  await clock.pass(30_000);
  state.down = false;
  await clock.pass(7_000); // the longest pause is 5 s and up to a quarter more
  expect(settled.length).toBe(30);
});

it("is given up by a consumer that is closed by force", async () => {
  const clock = handClock();
  const { consumer } = engine(["poison", "good"], 5);
  await clock.pass(10_000);
  let closed = false;
  void consumer.close({ force: true }).then(() => (closed = true));
  await clock.pass(10);
  expect(closed).toBe(true);
});
