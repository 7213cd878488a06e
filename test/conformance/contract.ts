/** The contract itself: what the core relies on, asked of the adapter without the core. */
import assert from "node:assert/strict";
import type { BrokerQueue, Consumer, Delivery, Settlement } from "../../src/contract/index.ts";
import { cases } from "./case.ts";
import type { Context } from "./context.ts";
import { range } from "./track.ts";
import { within } from "./until.ts";

interface Held {
  readonly delivery: Delivery;
  settle(settlement: Settlement): void;
}

interface Bench {
  readonly consumer: Consumer;
  /** Delivered and not yet settled by the case, in order. */
  readonly held: Held[];
  /** Everything that was ever delivered. */
  readonly deliveries: Delivery[];
  readonly settled: { readonly id: string; readonly how: "applied" | "stale" }[];
  /** Most at once. */
  readonly peak: () => number;
}

/** Consumes a bare queue; the case settles each delivery by hand. */
async function bench(context: Context, queue: BrokerQueue): Promise<Bench> {
  const held: Held[] = [];
  const deliveries: Delivery[] = [];
  const settled: Bench["settled"] = [];
  let peak = 0;
  const handler = (delivery: Delivery) =>
    new Promise<Settlement>((resolve) => {
      deliveries.push(delivery);
      const one: Held = {
        delivery,
        settle(settlement) {
          held.splice(held.indexOf(one), 1);
          resolve(settlement);
        },
      };
      held.push(one);
      peak = Math.max(peak, held.length);
    });
  const consumer = await queue.consume(handler, { signal: false, onSettled: ({ id }, how) => settled.push({ id, how }), onError: () => {} });
  context.defer(async () => {
    const closing = consumer.close({ force: true });
    for (const each of [...held]) each.settle(done);
    await closing;
  });
  return { consumer, held, deliveries, settled, peak: () => peak };
}

const done: Settlement = { outcome: "done" };
const body = (n: number) => ({ n, extra: {} });
const numberOf = ({ body }: Delivery) => (typeof body === "string" ? (JSON.parse(body) as { n: number }) : (body as { n: number })).n;
const messages = (context: Context, n: number) => range(n).map((i) => (context.features.ids ? { body: body(i) } : { id: `${context.queue}-${i}`, body: body(i) }));

/** Settles one after another until `n` deliveries are done. */
async function drain({ until }: Context, { held, settled }: Bench, n: number): Promise<void> {
  await until(`${n} deliveries are settled`, () => {
    for (const each of [...held]) each.settle(done);
    return settled.length >= n;
  });
}

export const contract = cases({
  async "publish([]) does nothing"(context) {
    const queue = await context.open();
    assert.deepEqual(await queue.publish([]), []);
    if (queue.count && context.features.exactCount) assert.equal((await queue.count()).ready, 0);
  },

  async "nothing is fetched before the first setWindow"(context) {
    const queue = await context.open();
    const { consumer, deliveries, held } = await bench(context, queue);
    await queue.publish(messages(context, 3));
    await context.holds("nothing is delivered", () => deliveries.length === 0, 150);
    consumer.setWindow(3);
    await context.until("three are delivered", () => held.length === 3);
  },

  async "the window is never exceeded"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(context, 40));
    all.consumer.setWindow(3);
    await context.until("the window of 3 is full", () => all.held.length === 3);
    await context.holds("no more than 3 are held", () => all.held.length === 3, 100);
    for (const each of [...all.held]) each.settle(done);
    await context.until("the window is full again", () => all.held.length === 3);
    assert.equal(all.peak(), 3);
    all.consumer.setWindow(6);
    await context.until("the window of 6 is full", () => all.held.length === 6);
    await drain(context, all, 40);
    assert.equal(all.peak(), 6);
  },

  async "a lowered window holds for what is fetched from then on"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(context, 40));
    all.consumer.setWindow(8);
    await context.until("the window of 8 is full", () => all.held.length === 8);
    all.consumer.setWindow(2);
    for (const each of [...all.held]) each.settle(done);
    // A fetch that was under way when the window was lowered may bring one more.
    await context.until("two are held", () => all.held.length >= 2);
    await context.holds("at most 2, and one that was under way", () => all.held.length <= 3, 100);
    await drain(context, all, 40);
  },

  async "a window of 0 fetches nothing, and a raise while all slots are taken wakes the consumer"(context) {
    const queue = await context.open();
    const { consumer, held, deliveries } = await bench(context, queue);
    consumer.setWindow(1);
    await queue.publish(messages(context, 3));
    await context.until("one is held", () => held.length === 1);
    consumer.setWindow(2);
    await context.until("the raise is in force although the first has not ended", () => held.length === 2, 2_000);
    consumer.setWindow(0);
    for (const each of [...held]) each.settle(done);
    await context.holds("the third, at most, was under way", () => deliveries.length <= 3, 150);
    consumer.setWindow(1);
    await context.until("the third is delivered", () => deliveries.length === 3);
  },

  async "onSettled is called once for each delivery"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    all.consumer.setWindow(5);
    const published = await queue.publish(messages(context, 25));
    await drain(context, all, 25);
    await context.until("none is held", () => all.deliveries.length === 25 && all.held.length === 0);
    await within("close resolves", all.consumer.close(), context.patienceMs);
    assert.deepEqual(all.settled.map(({ id }) => id).sort(), published.map(({ id }) => id).sort());
    assert.ok(all.settled.every(({ how }) => how === "applied"));
  },

  "publish answers the ids that are delivered, in order": {
    needs: ["ordered"],
    async run(context) {
      const queue = await context.open();
      const all = await bench(context, queue);
      const published = await queue.publish(messages(context, 20));
      all.consumer.setWindow(1);
      await drain(context, all, 20);
      assert.deepEqual(all.deliveries.map(({ id }) => id), published.map(({ id }) => id));
      assert.deepEqual(all.deliveries.map(numberOf), range(20));
    },
  },

  "a returned delivery comes again first and unchanged": {
    needs: ["ordered"],
    async run(context) {
      const queue = await context.open();
      const all = await bench(context, queue);
      await queue.publish(messages(context, 3));
      all.consumer.setWindow(1);
      await context.until("the first is held", () => all.held.length === 1);
      all.held[0]?.settle({ outcome: "returned" });
      await context.until("it is delivered again", () => all.deliveries.length === 2);
      const [first, second] = all.deliveries;
      assert.deepEqual([second?.id, second?.attempt, second?.crashes ?? 0], [first?.id, 1, 0]);
      await drain(context, all, 4);
    },
  },

  async "a postponed delivery keeps its attempt and goes behind"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(context, 4));
    all.consumer.setWindow(1);
    await context.until("the first is held", () => all.held.length === 1);
    all.held[0]?.settle({ outcome: "postponed", delayMs: 0 });
    await drain(context, all, 5);
    const order = all.deliveries.map(numberOf);
    assert.equal(order.at(-1), order[0], `postponed did not go behind: ${order}`);
    assert.ok(all.deliveries.every(({ attempt, crashes = 0 }) => attempt === 1 && crashes === 0));
  },

  "a retried delivery keeps id and body and counts one attempt more": {
    needs: ["retry"],
    async run(context) {
      const queue = await context.open();
      const all = await bench(context, queue);
      const [published] = await queue.publish(messages(context, 1));
      all.consumer.setWindow(1);
      const start = performance.now();
      for (const n of [1, 2, 3]) {
        await context.until(`delivery ${n}`, () => all.held.length === 1);
        all.held[0]?.settle(n < 3 ? { outcome: "retry", error: new Error("again"), delayMs: 100 } : done);
      }
      await context.until("three settlements", () => all.settled.length === 3);
      assert.deepEqual(all.deliveries.map(({ id, attempt }) => [id, attempt]), [1, 2, 3].map((attempt) => [published?.id, attempt]));
      assert.ok(all.deliveries.every((each) => numberOf(each) === 0));
      assert.ok(performance.now() - start >= 200 - 2 * context.precisionMs);
    },
  },

  async "a failed delivery is final"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(context, 2));
    all.consumer.setWindow(1);
    await context.until("the first is held", () => all.held.length === 1);
    all.held[0]?.settle({ outcome: "failed", error: new Error("for good") });
    await drain(context, all, 2);
    await context.holds("nothing comes again", () => all.deliveries.length === 2, 100);
  },

  async "close waits for what is held and flushes it"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(context, 10));
    all.consumer.setWindow(4);
    await context.until("the window is full", () => all.held.length === 4);
    let closed = false;
    const closing = all.consumer.close().then(() => {
      closed = true;
    });
    await context.holds("close waits", () => !closed, 80);
    for (const each of [...all.held]) each.settle(done);
    await within("close resolves when the last is settled", closing, context.patienceMs);
    assert.equal(all.settled.length, all.deliveries.length);
    const next = await bench(context, queue);
    next.consumer.setWindow(20);
    await drain(context, next, 10 - all.deliveries.length);
    const seen = [...all.deliveries, ...next.deliveries].map(({ id }) => id);
    assert.equal(new Set(seen).size, seen.length, "what was settled came again");
  },

  async "nothing is delivered after close"(context) {
    const queue = await context.open();
    const { consumer, deliveries, held } = await bench(context, queue);
    consumer.setWindow(2);
    await queue.publish(messages(context, 1));
    await context.until("the first is held", () => held.length === 1);
    held[0]?.settle(done);
    await within("close resolves", consumer.close(), context.patienceMs);
    await queue.publish([{ ...messages(context, 2)[1], body: body(1) }]);
    consumer.setWindow(5);
    await context.holds("nothing is delivered", () => deliveries.length === 1, 150);
    const next = await bench(context, queue);
    next.consumer.setWindow(1);
    await drain(context, next, 1);
  },

  async "close with force does not wait, and a late settlement is not applied"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(context, 1));
    all.consumer.setWindow(1);
    await context.until("it is held", () => all.held.length === 1);
    await within("close({ force }) resolves", all.consumer.close({ force: true }), context.patienceMs);
    all.held[0]?.settle(done);
    await context.holds("no late settlement counts as applied", () => all.settled.every(({ how }) => how === "stale"), 60);
  },

  async "two settlements of one tick are both in force"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(context, 100));
    all.consumer.setWindow(50);
    await drain(context, all, 100);
    assert.equal(new Set(all.deliveries.map(({ id }) => id)).size, 100);
    if (queue.count && context.features.exactCount) await context.until("the queue is empty", async () => (await queue.count?.())?.ready === 0);
  },
});
