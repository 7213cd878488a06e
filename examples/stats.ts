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
console.log("nobody consumes: time left", (await resize.info()).etaMs);

await resize.consume();
await settled(async () => (await resize.info()).ran >= 20);
const { ready = 0, etaMs = 0, ranPerMinute } = await resize.info();
console.log(
  `after a second: ${ranPerMinute > 600 ? "its rate is known" : "too slow"}, ${ready > 0 && etaMs > 500 ? "its time left too" : "nothing left"}`,
);

await resize.setQps(400);
console.log("in force in all processes:", (await resize.info()).live);
await resize.waitIdle();
await settled(async () => (await resize.info()).ran === 101);
const { ran, failed, retried, etaMs: left } = await resize.info();
console.log({ ran, failed, retried, left });

const [point] = (await resize.stats({ step: "60m" })).filter(({ ran }) => ran > 0);
console.log({ ran: point?.ran, failed: point?.failed, sampled: point?.ready !== undefined });
await shutdown();
