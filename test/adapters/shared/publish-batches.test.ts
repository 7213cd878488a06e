/** What one tick publishes: who travels with whom, and what each call hears. */
import { expect, it } from "vitest";
import { accept, createPublishBatches, type PublishEntry, refuse } from "../../../adapters/shared/publish-batches.ts";

const setUp = (size: number) => {
  const batches: (readonly PublishEntry<string>[])[] = [];
  const publish = createPublishBatches<string>({
    size,
    send: (batch) => void batches.push(batch),
    explain: (error, accepted, count) => new Error(`${accepted.join()} of ${count}: ${(error as Error).message}`),
  });
  const acceptAll = (batch: readonly PublishEntry<string>[] = batches.flat()) =>
    batch.forEach((entry) => accept(entry, { id: entry.job.toUpperCase() }));
  return { batches, publish, acceptAll };
};

it("sends what a tick publishes together, and gives each call its own answers in their order", async () => {
  const { batches, publish, acceptAll } = setUp(10);
  const both = [publish(["a", "b"]), publish(["c"])];
  await Promise.resolve();
  expect(batches.map((batch) => batch.map(({ job }) => job))).toEqual([["a", "b", "c"]]);
  acceptAll(batches.flat().reverse());
  expect(await Promise.all(both)).toEqual([[{ id: "A" }, { id: "B" }], [{ id: "C" }]]);
});

it("cuts a call where a batch is full, and answers it when all of it is answered", async () => {
  const { batches, publish, acceptAll } = setUp(2);
  let answered = false;
  const published = publish(["a", "b", "c"]).finally(() => (answered = true));
  await Promise.resolve();
  expect(batches.map(({ length }) => length)).toEqual([2, 1]);
  acceptAll(batches[0]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(answered).toBe(false);
  acceptAll(batches[1]);
  expect(await published).toHaveLength(3);
});

it("rejects a call with its first error and the ids of what was accepted; the others of its batch are not touched", async () => {
  const { batches, publish, acceptAll } = setUp(10);
  const [bad, good] = [publish(["a", "b", "c"]), publish(["d"])];
  await Promise.resolve();
  const [a, b, c, d] = batches.flat() as [PublishEntry<string>, ...PublishEntry<string>[]];
  refuse(a, new Error("first"));
  accept(b as PublishEntry<string>, { id: "B", existing: true });
  refuse(c as PublishEntry<string>, new Error("second"));
  acceptAll([d as PublishEntry<string>]);
  await expect(bad).rejects.toThrow("B of 3: first");
  expect(await good).toEqual([{ id: "D" }]);
});

it("answers an empty call at once", async () => {
  const { batches, publish } = setUp(10);
  expect(await publish([])).toEqual([]);
  expect(batches).toEqual([]);
});
