import { expect, it } from "vitest";
import { boost, fct, shutdown, waitAll, configure } from "../../src/core.ts";
import { memory } from "../../adapters/brokers/memory.ts";

it("smoke", async () => {
  configure({ log: { level: "debug" } });
  const broker = memory();
  const add = boost({ queue: "add", broker, rpc: true, concurrency: 1 }, async (a: number, b: number) => a + b + (fct.attempt ?? 0));
  const parent = boost({ queue: "parent", broker, rpc: true, concurrency: 1 }, async (n: number): Promise<number> => n === 0 ? 1 : 1 + await (await parent.push(n - 1)).waitResult());
  await add.consume();
  await parent.consume();
  expect(await (await add.push(1, 2)).waitResult()).toBe(4);
  expect(await (await parent.push(3)).waitResult()).toBe(4);
  let n = 0;
  const bench = boost({ queue: "bench", broker, params: ["n"] }, (_n: number) => { n++; });
  const t0 = performance.now();
  for (let i = 0; i < 200; i++) await bench.pushMany(Array.from({ length: 1000 }, (_, j) => [j] as [number]));
  const t1 = performance.now();
  await bench.consume();
  await bench.waitIdle();
  console.log("publish/s", 200_000 / (t1 - t0) * 1000, "run/s", 200_000 / (performance.now() - t1) * 1000, n);
  expect(n).toBe(200_000);
  await shutdown();
});
