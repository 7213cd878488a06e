/** What the memory broker promises beyond the kit. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { memory } from "../../../adapters/memory/broker.ts";
import { sleep } from "../../../src/base/clock.ts";
import { JsonText } from "../../../src/base/json.ts";
import type { Broker, BrokerQueue, Delivery, Message, Settlement } from "../../../src/contract/index.ts";

const open: Broker[] = [];
afterEach(async () => {
  for (const broker of open.splice(0)) await broker.close();
});

async function queueOf(name = "q"): Promise<BrokerQueue> {
  const broker = memory();
  open.push(broker);
  return broker.open({ queue: name, options: {}, leaseMs: 1000 });
}

const done: Settlement = { outcome: "done" };

async function collect(
  queue: BrokerQueue,
  handle: (delivery: Delivery) => Settlement | Promise<Settlement> = () => done,
  signal = false,
) {
  const got: Delivery[] = [];
  const settled: string[] = [];
  const consumer = await queue.consume(
    async (delivery) => {
      got.push(delivery);
      return handle(delivery);
    },
    {
      signal,
      onSettled: (delivery, how) => settled.push(`${delivery.id} ${how}`),
      onError: (error) => settled.push(error.message),
    },
  );
  return { got, settled, consumer, bodies: () => got.map((delivery) => delivery.body) };
}

const n = (x: number, more: Partial<Message> = {}): Message => ({ body: { x }, id: `m${x}`, ...more });
const xs = (got: readonly Delivery[]) => got.map((delivery) => (delivery.body as { x: number }).x);

describe("memory broker", () => {
  it("delivers what is ahead last in first out, then by priority, then in order", async () => {
    const queue = await queueOf();
    await queue.publish([
      n(1),
      n(2, { priority: 5 }),
      n(3, { ahead: true }),
      n(4, { priority: -1 }),
      n(5, { ahead: true }),
      n(6),
    ]);
    expect((await queue.peek?.(3))?.map((each) => each.id)).toEqual(["m5", "m3", "m2"]);
    const { got, consumer } = await collect(queue);
    consumer.setWindow(1);
    await expect.poll(() => xs(got)).toEqual([5, 3, 2, 1, 6, 4]);
    expect(got.map((each) => each.ahead)).toEqual([true, true, false, false, false, false]);
  });

  it("holds at most the window, takes a new one at once, and fetches nothing at 0", async () => {
    const queue = await queueOf();
    const release: (() => void)[] = [];
    const { got, consumer } = await collect(queue, () => new Promise((resolve) => release.push(() => resolve(done))));
    await queue.publish(Array.from({ length: 10 }, (_, x) => n(x)));
    await sleep(5);
    expect(got).toHaveLength(0);
    consumer.setWindow(3);
    await sleep(5);
    expect(xs(got)).toEqual([0, 1, 2]);
    expect(consumer.status().held).toEqual(["m0", "m1", "m2"]);
    consumer.setWindow(1);
    for (const each of release.splice(0, 2)) each();
    await sleep(5);
    expect(got).toHaveLength(3);
    consumer.setWindow(5);
    await sleep(5);
    expect(got).toHaveLength(7);
    expect(await queue.count?.()).toEqual({ ready: 3, delayed: 0, running: 5 });
    await consumer.close({ force: true });
  });

  it("keeps a body that comes as JSON text as its value, and shows copies", async () => {
    const queue = await queueOf();
    await queue.publish([{ body: new JsonText('{"list":[1]}') }]);
    const [seen] = (await queue.peek?.(1)) ?? [];
    (seen?.body as { list: number[] } | undefined)?.list.push(2);
    const { got, consumer } = await collect(queue, () => done);
    consumer.setWindow(1);
    await expect.poll(() => got.map(({ body }) => body)).toEqual([{ list: [1] }]);
  });

  it("retries behind what waits with the next attempt, and puts off without one", async () => {
    const queue = await queueOf();
    const { got, consumer } = await collect(queue, ({ attempt, id }) => {
      if (id === "m1" && attempt === 1) return { outcome: "retry", error: new Error("x"), delayMs: 0 };
      if (id === "m2" && xs(got).filter((x) => x === 2).length === 1) return { outcome: "postponed", delayMs: 0 };
      return done;
    });
    await queue.publish([n(1), n(2), n(3)]);
    consumer.setWindow(1);
    await expect.poll(() => xs(got)).toEqual([1, 2, 3, 1, 2]);
    expect(got.map((each) => each.attempt)).toEqual([1, 1, 1, 2, 1]);
    expect(new Set(got.map((each) => each.publishedAt)).size).toBe(1);
  });

  it("puts back to the front what is returned, uncounted, and what a forced close took away, as a crash", async () => {
    const queue = await queueOf();
    let first = true;
    const { got, consumer } = await collect(
      queue,
      () => {
        if (!first) return new Promise<Settlement>(() => {});
        first = false;
        return { outcome: "returned" };
      },
      true,
    );
    await queue.publish([n(1), n(2), n(3)]);
    consumer.setWindow(2);
    await expect.poll(() => xs(got)).toEqual([1, 2, 1]);
    expect(got[2]?.crashes).toBe(0);
    await consumer.close({ force: true });
    expect(got.map((each) => each.signal?.aborted)).toEqual([false, true, true]);
    const again = await collect(queue);
    again.consumer.setWindow(1);
    await expect.poll(() => xs(again.got)).toEqual([2, 1, 3]);
    expect(again.got.map((each) => [each.attempt, each.crashes])).toEqual([
      [1, 1],
      [1, 1],
      [1, 0],
    ]);
  });

  it("calls a settlement stale that comes after the delivery was taken away", async () => {
    const queue = await queueOf();
    let finish = (_: Settlement) => {};
    const { settled, consumer, got } = await collect(queue, () => new Promise((resolve) => (finish = resolve)));
    await queue.publish([n(1)]);
    consumer.setWindow(1);
    await expect.poll(() => got).toHaveLength(1);
    await consumer.close({ force: true });
    finish(done);
    await expect.poll(() => settled).toEqual(["m1 stale"]);
    expect(await queue.count?.()).toEqual({ ready: 1, delayed: 0, running: 0 });
  });

  it("delays, reschedules, cancels, tells the state and clears", async () => {
    const queue = await queueOf();
    const since = performance.now();
    await queue.publish([n(1, { delayMs: 40 }), n(2, { delayMs: 60_000 }), n(3, { delayMs: 60_000 }), n(4)]);
    expect(await queue.publish([n(1), n(4)])).toEqual([
      { id: "m1", existing: true },
      { id: "m4", existing: true },
    ]);
    expect(await queue.state?.("m1")).toBe("delayed");
    expect(await queue.state?.("m4")).toBe("waiting");
    expect(await queue.cancel?.(["m2", "m4", "nobody"])).toEqual(["m2", "m4"]);
    expect(await queue.reschedule?.("m3", { delayMs: 80 })).toBe(true);
    expect(await queue.reschedule?.("m2", { delayMs: 0 })).toBe(false);
    const at: number[] = [];
    const { got, consumer } = await collect(queue, () => {
      at.push(performance.now() - since);
      return done;
    });
    consumer.setWindow(1);
    await vi.waitFor(() => expect(xs(got)).toEqual([1, 3]), { interval: 5 });
    expect(at[0]).toBeGreaterThan(35);
    expect(at[1]).toBeGreaterThan(75);
    expect(await queue.state?.("m1")).toBe("unknown");
    await queue.setPaused?.(true);
    await queue.publish([n(7), n(8, { delayMs: 1000 })]);
    await sleep(5);
    expect(got).toHaveLength(2);
    expect(await queue.paused?.()).toBe(true);
    await queue.clear?.();
    expect(await queue.count?.()).toEqual({ ready: 0, delayed: 0, running: 0 });
  });

  it("shares a queue fairly, closes after what is held, and stays open for others", async () => {
    const queue = await queueOf();
    const one = await collect(queue, () => sleep(2).then(() => done));
    const two = await collect(queue, () => sleep(2).then(() => done));
    one.consumer.setWindow(2);
    two.consumer.setWindow(2);
    await queue.publish(Array.from({ length: 40 }, (_, x) => n(x)));
    await expect.poll(() => one.got.length + two.got.length).toBe(40);
    expect(Math.abs(one.got.length - two.got.length)).toBeLessThan(5);
    await one.consumer.close();
    expect(one.settled).toHaveLength(one.got.length);
    await queue.publish([n(99)]);
    await expect.poll(() => xs(two.got)).toContain(99);
    await queue.close();
    await expect(queue.publish([n(1)])).rejects.toThrow('the queue "q" was closed here');
  });

  it("refuses what is published after the broker was closed", async () => {
    const broker = memory();
    const queue = await broker.open({ queue: "q", options: {}, leaseMs: 1000 });
    await queue.publish([n(1, { delayMs: 60_000 })]);
    await broker.close();
    await broker.close();
    await expect(queue.publish([n(2)])).rejects.toMatchObject({ code: "SHUT_DOWN" });
    expect(await (await broker.open({ queue: "q", options: {}, leaseMs: 1000 })).count?.()).toEqual({
      ready: 0,
      delayed: 0,
      running: 0,
    });
  });

  it("lets timers run while it works through many messages", async () => {
    const queue = await queueOf();
    await queue.publish(Array.from({ length: 100_000 }, () => ({ body: { x: 1 } })));
    const { got, consumer } = await collect(queue);
    consumer.setWindow(10);
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(got.length).toBeLessThan(100_000);
    await vi.waitFor(() => expect(got).toHaveLength(100_000), { timeout: 15_000 });
  });
});
