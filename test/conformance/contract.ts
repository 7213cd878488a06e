/** The contract itself: what the core relies on, asked of the adapter without the core. */
import assert from "node:assert/strict";
import { bench, body, done, drain, messages, numberOf } from "./bench.ts";
import { cases } from "./case.ts";
import { range, sorted } from "./track.ts";
import { within } from "./until.ts";

export const contract = cases({
  async "publish([]) does nothing"(context) {
    const queue = await context.open();
    assert.deepEqual(await queue.publish([]), []);
    if (queue.count && context.features.exactCount) assert.equal((await queue.count()).ready, 0);
  },

  async "nothing is fetched before the first setWindow"(context) {
    const queue = await context.open();
    const { consumer, deliveries, held } = await bench(context, queue);
    await queue.publish(messages(3));
    await context.holds("nothing is delivered", () => deliveries.length === 0, 150);
    consumer.setWindow(3);
    await context.until("three are delivered", () => held.length === 3);
  },

  async "the window is never exceeded"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(40));
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
    await queue.publish(messages(40));
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
    await queue.publish(messages(3));
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
    await queue.publish(messages(25));
    await drain(context, all, 25);
    await context.until("none is held", () => all.deliveries.length === 25 && all.held.length === 0);
    await within("close resolves", all.consumer.close(), context.patienceMs);
    assert.deepEqual(sorted(all.settled.map(({ n }) => n)), range(25));
    assert.ok(all.settled.every(({ how }) => how === "applied"));
  },

  "publish answers the ids that are delivered, in order": {
    needs: ["ids", "ordered"],
    async run(context) {
      const queue = await context.open();
      const all = await bench(context, queue);
      const published = await queue.publish(messages(20));
      all.consumer.setWindow(1);
      await drain(context, all, 20);
      assert.deepEqual(
        all.deliveries.map(({ id }) => id),
        published.map(({ id }) => id),
      );
      assert.deepEqual(all.deliveries.map(numberOf), range(20));
    },
  },

  "a returned delivery comes again first and unchanged": {
    needs: ["ordered"],
    async run(context) {
      const queue = await context.open();
      const all = await bench(context, queue);
      await queue.publish(messages(3));
      all.consumer.setWindow(1);
      await context.until("the first is held", () => all.held.length === 1);
      all.held[0]?.settle({ outcome: "returned" });
      await context.until("it is delivered again", () => all.deliveries.length === 2);
      const [first, second] = all.deliveries;
      assert.deepEqual(
        second && [numberOf(second), second.id, second.attempt, second.crashes ?? 0],
        first && [0, first.id, 1, 0],
      );
      await drain(context, all, 4);
    },
  },

  "a postponed delivery keeps its attempt and goes behind": {
    needs: ["retry"],
    async run(context) {
      const queue = await context.open();
      const all = await bench(context, queue);
      await queue.publish(messages(4));
      all.consumer.setWindow(1);
      await context.until("the first is held", () => all.held.length === 1);
      all.held[0]?.settle({ outcome: "postponed", delayMs: 0 });
      await drain(context, all, 5);
      const order = all.deliveries.map(numberOf);
      // Without an order it may come before the last, but not at once.
      if (context.features.ordered) assert.equal(order.at(-1), order[0], `postponed did not go behind: ${order}`);
      else assert.notEqual(order[1], order[0], `postponed came at once: ${order}`);
      assert.ok(all.deliveries.every(({ attempt, crashes = 0 }) => attempt === 1 && crashes === 0));
    },
  },

  "a retried delivery keeps id and body and counts one attempt more": {
    needs: ["retry"],
    async run(context) {
      const queue = await context.open();
      const all = await bench(context, queue);
      const [published] = await queue.publish(messages(1));
      all.consumer.setWindow(1);
      const start = performance.now();
      for (const n of [1, 2, 3]) {
        await context.until(`delivery ${n}`, () => all.held.length === 1);
        all.held[0]?.settle(n < 3 ? { outcome: "retry", error: new Error("again"), delayMs: 100 } : done);
      }
      await context.until("three settlements", () => all.settled.length === 3);
      assert.deepEqual(
        all.deliveries.map(({ id, attempt }) => [id, attempt]),
        [1, 2, 3].map((attempt) => [published?.id, attempt]),
      );
      assert.ok(all.deliveries.every((each) => numberOf(each) === 0));
      assert.ok(performance.now() - start >= 200 - 2 * context.earlyMs);
    },
  },

  "a delayed message is not delivered before its time": {
    needs: ["delay"],
    async run(context) {
      const queue = await context.open();
      const all = await bench(context, queue);
      all.consumer.setWindow(1);
      const published = performance.now();
      await queue.publish([{ body: body(0), delayMs: 300 }]);
      await context.until("it is delivered", () => all.held.length === 1);
      const after = performance.now() - published;
      assert.ok(after >= 300 - context.earlyMs, `delivered after ${after.toFixed(0)} ms`);
      await drain(context, all, 1);
    },
  },

  async "a failed delivery is final"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(2));
    all.consumer.setWindow(1);
    await context.until("the first is held", () => all.held.length === 1);
    all.held[0]?.settle({ outcome: "failed", error: new Error("for good") });
    await drain(context, all, 2);
    await context.holds("nothing comes again", () => all.deliveries.length === 2, 100);
  },

  async "close waits for what is held and flushes it"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(10));
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
    assert.deepEqual(
      sorted([...all.deliveries, ...next.deliveries].map(numberOf)),
      range(10),
      "what was settled came again",
    );
  },

  async "nothing is delivered after close"(context) {
    const queue = await context.open();
    const { consumer, deliveries, held } = await bench(context, queue);
    consumer.setWindow(2);
    await queue.publish(messages(1));
    await context.until("the first is held", () => held.length === 1);
    held[0]?.settle(done);
    await within("close resolves", consumer.close(), context.patienceMs);
    await queue.publish([{ ...messages(2)[1], body: body(1) }]);
    consumer.setWindow(5);
    await context.holds("nothing is delivered", () => deliveries.length === 1, 150);
    const next = await bench(context, queue);
    next.consumer.setWindow(1);
    await drain(context, next, 1);
  },

  async "close with force does not wait, and a late settlement is not applied"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(1));
    all.consumer.setWindow(1);
    await context.until("it is held", () => all.held.length === 1);
    await within("close({ force }) resolves", all.consumer.close({ force: true }), context.patienceMs);
    all.held[0]?.settle(done);
    await context.holds(
      "no late settlement counts as applied",
      () => all.settled.every(({ how }) => how === "stale"),
      60,
    );
  },

  async "two settlements of one tick are both in force"(context) {
    const queue = await context.open();
    const all = await bench(context, queue);
    await queue.publish(messages(100));
    all.consumer.setWindow(50);
    await drain(context, all, 100);
    assert.deepEqual(sorted(all.deliveries.map(numberOf)), range(100));
    if (queue.count && context.features.exactCount)
      await context.until("the queue is empty", async () => (await queue.count?.())?.ready === 0);
  },
});
