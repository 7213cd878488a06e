/** cancelMany() when a server blinks: what was not taken out is not called cancelled. */
import { boost, configure, FunboostError, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, expect, it } from "vitest";

const inner = memoryStore();
let isDown = false;
const get: typeof inner.results.get = async (...asked) => {
  if (!isDown) return inner.results.get(...asked);
  isDown = false;
  throw new FunboostError("BROKER_DOWN", "blink");
};
configure({ signals: false, log: { level: "silent" }, store: { ...inner, results: { ...inner.results, get } } });
afterEach(() => shutdown({ grace: 100 }));

const { store: _, ...bare } = memory();

it("a blink of the store cancels nothing that was over, or never there", async () => {
  const task = boost({ queue: "cancel-blink", broker: bare }, (n: number) => n);
  const told: string[] = [];
  task.on("failed", ({ status }) => told.push(status));
  await task.consume();
  const ids = (await task.pushMany([[1], [2]])).map(({ id }) => id);
  await task.waitIdle();
  const healthy = await task.cancelMany([...ids, "never-there"]);
  isDown = true;
  expect(await task.cancelMany([...ids, "never-there"])).toEqual(healthy);
  expect([isDown, told]).toEqual([false, []]);
});

it("answers for each of thousands, one id twice included", async () => {
  const task = boost({ queue: "cancel-many", broker: bare }, (n: number) => n);
  const handles = await task.publishMany(Array.from({ length: 1_001 }, (_, n) => ({ args: [n] as [number] })));
  const ids = handles.map(({ id }) => id);
  const answers = await task.cancelMany([...ids, ids[0] as string]);
  expect([answers.length, new Set(answers)]).toEqual([1_002, new Set([true])]);
  expect(await task.count()).toBe(0);
});
