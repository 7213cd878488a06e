import { expect, it } from "vitest";
import { memoryStore } from "../../../adapters/memory/store.ts";
import { FunboostError } from "../../../src/base/errors.ts";
import { withDelay } from "../../../src/emulation/delay.ts";
import { withIds } from "../../../src/emulation/ids.ts";
import { withRetry } from "../../../src/emulation/retry.ts";
import { bareBroker } from "../../support/bare-broker.ts";
import { consume, done, flaky, spec, written } from "./setup.ts";

const retrying = (failing: Parameters<typeof flaky>[1] = {}) =>
  withRetry(flaky(withDelay(withIds(bareBroker()), memoryStore()), failing));

it("counts attempts over copies that keep id, body and publish time", async () => {
  const queue = await retrying().open(spec("q"));
  const at: number[] = [];
  const { got, settled, consumer } = await consume(queue, ({ attempt }) => {
    at.push(performance.now());
    return attempt < 3 ? { outcome: "retry", error: new Error("again"), delayMs: attempt === 1 ? 40 : 0 } : done;
  });
  consumer.setWindow(1);
  await queue.publish([{ body: { v: 1, list: [1] }, id: "a" }]);
  await expect.poll(() => settled).toHaveLength(3);
  expect(got.map(({ id, attempt }) => [id, attempt])).toEqual([1, 2, 3].map((attempt) => ["a", attempt]));
  expect(new Set(got.map(({ publishedAt }) => publishedAt)).size).toBe(1);
  expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(40);
  expect(settled).toEqual(Array(3).fill("a applied"));
  await consumer.close();
});

it("retries foreign text: the copy says the attempt, and holds the text's members", async () => {
  const queue = await retrying().open(spec("q"));
  const { got, consumer } = await consume(queue, ({ attempt }) =>
    attempt === 1 ? { outcome: "retry", error: new Error("again"), delayMs: 0 } : done,
  );
  consumer.setWindow(1);
  await queue.publish([{ body: '{"v": 12345678901234567890}' }]);
  await expect.poll(() => got).toHaveLength(2);
  expect(got[1]).toMatchObject({ id: got[0]?.id, attempt: 2 });
  expect(String(got[1]?.body)).toContain("12345678901234567890");
  await consumer.close();
});

it("postpones behind what waits, and returns to the front", async () => {
  const queue = await retrying().open(spec("q"));
  const { got, consumer } = await consume(queue, () => {
    if (got.length === 1) return { outcome: "postponed", delayMs: 0 };
    if (got.length === 2) return { outcome: "returned" };
    return done;
  });
  await queue.publish([1, 2, 3].map((v) => ({ body: { v } })));
  consumer.setWindow(1);
  await expect.poll(() => got.map(written)).toEqual([1, 2, 2, 3, 1]);
  expect(got.every(({ attempt }) => attempt === 1)).toBe(true);
  await consumer.close();
});

it("holds the original until the copy is accepted", async () => {
  const failing: { next?: Error | undefined } = {};
  const queue = await retrying(failing).open(spec("q"));
  const { settled, errors, consumer } = await consume(queue, ({ attempt }) =>
    attempt === 1 ? { outcome: "retry", error: new Error("again"), delayMs: 0 } : done,
  );
  await queue.publish([{ body: { v: 1 }, id: "a" }]);
  failing.next = new FunboostError("BROKER_DOWN", "gone");
  consumer.setWindow(1);
  await expect.poll(() => errors.length).toBeGreaterThan(1);
  expect(settled).toEqual([]);
  expect(consumer.status().held).toEqual(["a"]);
  failing.next = undefined;
  await expect.poll(() => settled).toEqual(["a applied", "a applied"]);
  await consumer.close();
});

it("gives the original back at a forced close in the middle of that", async () => {
  const failing: { next?: Error | undefined } = {};
  const queue = await retrying(failing).open(spec("q"));
  const first = await consume(queue, () => ({ outcome: "retry", error: new Error("again"), delayMs: 0 }));
  await queue.publish([{ body: { v: 1 }, id: "a" }]);
  failing.next = new FunboostError("BROKER_DOWN", "gone");
  first.consumer.setWindow(1);
  await expect.poll(() => first.errors.length).toBeGreaterThan(0);
  await first.consumer.close({ force: true });
  failing.next = undefined;
  const second = await consume(queue);
  second.consumer.setWindow(1);
  await expect.poll(() => second.got).toMatchObject([{ id: "a", attempt: 1, crashes: 1 }]);
  await second.consumer.close();
});
