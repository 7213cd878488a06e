import { expect, it } from "vitest";
import { memoryStore } from "../../../adapters/memory/store.ts";
import type { Broker, Store } from "../../../src/contract/index.ts";
import { wrapBroker } from "../../../src/index.ts";
import { emulate } from "../../../src/setup/features.ts";
import { working } from "../../conformance/until.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { consume, flaky, spec, written } from "./setup.ts";

it("publishes an id once, in whichever lane and delayed or not, until it is done or cleared", async () => {
  const store = memoryStore();
  const queue = await emulate(bareBroker(), store).open(spec("q"));
  const once = { body: { v: 1 }, id: "a" };
  expect(
    await queue.publish([once, { body: { v: 0 } }, { ...once, ahead: true }, { ...once, delayMs: 50 }]),
  ).toMatchObject([{ id: "a" }, {}, { id: "a", existing: true }, { id: "a", existing: true }]);
  expect(await queue.count?.()).toMatchObject({ ready: 2, delayed: 0 });
  const { got, settled, consumer } = await consume(queue);
  consumer.setWindow(1);
  await expect.poll(() => settled).toHaveLength(2);
  await expect.poll(() => queue.publish([{ body: { v: 2 }, id: "a", delayMs: 60_000 }])).toEqual([{ id: "a" }]);
  expect(await queue.publish([once])).toEqual([{ id: "a", existing: true }]);
  await queue.clear?.();
  expect(await queue.publish([{ body: { v: 3 }, id: "a" }])).toEqual([{ id: "a" }]);
  await expect.poll(() => got.map(written)).toEqual([1, 0, 3]);
  await consumer.close();
});

it("frees the id of a publish that failed", async () => {
  const store = memoryStore();
  const failing: { next?: Error | undefined } = { next: new Error("no") };
  const queue = await emulate(flaky(bareBroker(), failing), store).open(spec("q"));
  await expect(queue.publish([{ body: { v: 1 }, id: "a" }])).rejects.toThrow("no");
  failing.next = undefined;
  expect(await queue.publish([{ body: { v: 1 }, id: "a" }])).toEqual([{ id: "a" }]);
});

/** A publisher that has claimed an id, and whose message reaches the engine when `sent` resolves. */
async function publisherAt(broker: Broker, store: Store, sent: Promise<void>) {
  const slow = wrapBroker(broker, ({ publish }) => ({ publish: (messages) => sent.then(() => publish(messages)) }));
  const queue = await emulate(slow, store).open(spec("q"));
  const published = queue.publish([{ body: { v: 1 }, id: "a" }]);
  await expect.poll(() => store.get(["known:bare:q:0:a"])).not.toEqual([undefined]);
  return { published };
}

it("takes over the id of a publisher that died before its message was sent", async () => {
  const [store, broker] = [memoryStore(), bareBroker()];
  await publisherAt(broker, store, new Promise(() => {}));
  const queue = await emulate(broker, store).open(spec("q"));
  expect(await queue.publish([{ body: { v: 2 }, id: "a", ahead: true }])).toEqual([{ id: "a" }]);
  expect(await queue.publish([{ body: { v: 3 }, id: "a" }])).toEqual([{ id: "a", existing: true }]);
  const { got, consumer } = await consume(queue);
  consumer.setWindow(1);
  await expect.poll(() => got.map(written)).toEqual([2]);
  await consumer.close();
});

it("gives the id of a dead publisher to one of many that want it", async () => {
  const [store, broker] = [memoryStore(), bareBroker()];
  await publisherAt(broker, store, new Promise(() => {}));
  const slow = wrapBroker(broker, ({ publish }) => ({
    publish: (messages) => working(300).then(() => publish(messages)),
  }));
  const queue = await emulate(slow, store).open(spec("q"));
  const published = await Promise.all(
    [false, true, false].map((ahead) => queue.publish([{ body: { v: 2 }, id: "a", ahead }])),
  );
  expect(published.flat().filter(({ existing }) => !existing)).toHaveLength(1);
  expect(await queue.count?.()).toMatchObject({ ready: 1 });
});

it("waits for a publisher that lives", async () => {
  const [store, broker] = [memoryStore(), bareBroker()];
  const { published } = await publisherAt(broker, store, working(200));
  const queue = await emulate(broker, store).open(spec("q"));
  expect(await queue.publish([{ body: { v: 2 }, id: "a", ahead: true }])).toEqual([{ id: "a", existing: true }]);
  expect(await published).toEqual([{ id: "a" }]);
  expect(await queue.count?.()).toMatchObject({ ready: 1 });
});

it("writes nothing for what was never claimed", async () => {
  const [store, broker] = [memoryStore(), bareBroker()];
  await (await broker.open(spec("q"))).publish([{ body: { v: 1, extra: { task_id: "7" } } }]);
  const queue = await emulate(broker, store).open(spec("q"));
  await queue.publish([{ body: { v: 2 }, id: "a" }]);
  const { settled, consumer } = await consume(queue);
  consumer.setWindow(1);
  await expect.poll(() => settled).toHaveLength(2);
  await expect.poll(() => store.get(["known:bare:q:0:a", "known:bare:q:0:7"])).toEqual(["0", undefined]);
  await consumer.close();
});
