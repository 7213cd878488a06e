/** info(): how fast a queue goes and how long it will take; stats(): the same over time; the log's line a minute says it too. */
import { boost, FatalError, shutdown } from "funboost";

const resize = boost(
  { queue: "resize", broker: "memory", qps: 40, maxRetries: 1, backoff: 0, log: { summary: false, level: "error" } },
  async (n: number) => {
    if (n === 3) throw new Error("a flaky disk");
    if (n === 4) throw new FatalError("not an image");
  },
);
const settled = async (what: () => Promise<boolean>) => {
  for (const end = Date.now() + 20_000; !(await what()); await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (Date.now() > end) throw new Error("that took too long");
  }
};

await resize.pushMany(Array.from({ length: 100 }, (_, n) => [n]));
console.log(`nobody consumes yet: time left: ${(await resize.info()).etaMs ?? "unknown"}`);

await resize.consume();
await settled(async () => (await resize.info()).ran >= 20);
const { ready = 0, etaMs = 0, ranPerMinute } = await resize.info();
const left = `${ready} wait, ${(etaMs / 1000).toFixed(1)} s left`;
console.log(`after a second: ${Math.round(ranPerMinute / 60)} runs/s; ${left}`);

await resize.setQps(400);
console.log(`in force in all processes: ${JSON.stringify((await resize.info()).live)}`);
await resize.waitIdle();
await settled(async () => (await resize.info()).ran === 101);
const { ran, failed, retried } = await resize.info();
console.log(`in all: ${ran} runs, ${failed} tasks failed, ${retried} run retried`);

const [point] = (await resize.stats({ step: "60m" })).filter(({ ran }) => ran > 0);
console.log(
  `stats(), this hour: ${point?.ran} runs, ${point?.failed} failed, ${point?.ready} waited when it was sampled`,
);
await shutdown();
