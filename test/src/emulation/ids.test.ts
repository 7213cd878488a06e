import { expect, it } from "vitest";
import { withIds } from "../../../src/emulation/ids.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { consume, done, spec, written } from "./setup.ts";

it("carries id, publish time and attempt in the body", async () => {
  const broker = withIds(bareBroker());
  expect(broker.features.ids).toBe(true);
  const queue = await broker.open(spec("q"));
  const published = await queue.publish([
    { body: { v: 1 } },
    { body: { v: 2 }, id: "mine", attempt: 3, publishedAt: 1_700_000_000_123 },
  ]);
  expect(published[1]).toEqual({ id: "mine" });
  expect((await queue.peek?.(2))?.map(({ id }) => id)).toEqual(published.map(({ id }) => id));
  const { got, settled, consumer } = await consume(queue);
  consumer.setWindow(1);
  await expect.poll(() => settled).toEqual(published.map(({ id }) => `${id} applied`));
  expect(got.map(({ id, attempt }) => [id, attempt])).toEqual([
    [published[0]?.id, 1],
    ["mine", 3],
  ]);
  expect(got[1]?.publishedAt).toBe(1_700_000_000_123);
  expect(Math.abs((got[0]?.publishedAt ?? 0) - Date.now())).toBeLessThan(1_000);
});

it("leaves raw bodies as they are, and makes their ids at delivery", async () => {
  const queue = await withIds(bareBroker()).open(spec("q"));
  const raw = ["plain text", '{"a": 1}', [1], 7, null, '{"n":1,"extra":{"task_id":"python-1"}}'];
  const published = await queue.publish(raw.map((body) => ({ body })));
  expect(published[5]?.id).toBe("python-1");
  const { got, consumer } = await consume(queue);
  consumer.setWindow(10);
  await expect.poll(() => got).toHaveLength(raw.length);
  expect(got.map(({ body }) => body)).toEqual(
    raw.map((body) => (typeof body === "string" ? body : JSON.stringify(body))),
  );
  expect(new Set(got.map(({ id }) => id)).size).toBe(raw.length);
  expect(got[5]?.id).toBe("python-1");
});

it("keeps the id of a dead letter that brings one", async () => {
  const queue = await withIds(bareBroker()).open(spec("q"));
  expect(await queue.publish([{ body: { v: 1, extra: { task_id: "old", publish_time: 5 } } }])).toEqual([
    { id: "old" },
  ]);
  const { got, consumer } = await consume(queue);
  consumer.setWindow(1);
  await expect.poll(() => got.map(({ id, publishedAt }) => [id, publishedAt])).toEqual([["old", 5_000]]);
});

it("has no calls by id, which the engine would not understand, and tells what it holds by our ids", async () => {
  const queue = await withIds(bareBroker()).open(spec("q"));
  expect([queue.cancel, queue.state, queue.reschedule]).toEqual([undefined, undefined, undefined]);
  let finish = () => {};
  const { got, consumer } = await consume(queue, () => new Promise((resolve) => (finish = () => resolve(done))));
  await queue.publish([{ body: { v: 1 }, id: "a" }]);
  consumer.setWindow(1);
  await expect.poll(() => consumer.status().held).toEqual(["a"]);
  expect(written(got[0] as never)).toBe(1);
  finish();
  await expect.poll(() => consumer.status().held).toEqual([]);
});
