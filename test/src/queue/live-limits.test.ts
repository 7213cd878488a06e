/** What is set for all processes while tasks run: a hold. */
import { memoryStore } from "funboost/stores/memory";
import { expect, it } from "vitest";
import { holdAll } from "../../../src/queue/live-limits.ts";
import type { OpenQueue } from "../../../src/setup/model.ts";

it("a hold of all processes is not ended by a shorter one", async () => {
  const store = memoryStore();
  const task = { options: { qpsScope: "global" }, store, scope: "q" } as OpenQueue;
  await holdAll(task, 3_600_000);
  await holdAll(task, 1_000);
  const [until] = await store.get(["live:hold:q"]);
  expect(Number(until)).toBeGreaterThan(Date.now() + 3_000_000);
  await holdAll(task, 7_200_000);
  expect(Number((await store.get(["live:hold:q"]))[0])).toBeGreaterThan(Date.now() + 7_000_000);
});
