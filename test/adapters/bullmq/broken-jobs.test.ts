/** Jobs whose hash in Redis somebody has written by hand: BullMQ's own reading of them throws. */
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { bullmq } from "../../../adapters/bullmq/broker.ts";
import { boost, configure, shutdown } from "../../../src/index.ts";
import { until } from "../../support/consuming.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
afterAll(() => service.stop());
configure({ signals: false, log: { level: "silent" } });
const prefix = `broken${process.pid}${Date.now().toString(36)}`;
afterEach(() => shutdown({ grace: 500 }));

const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

describe.skipIf(!url)(`a job of BullMQ${skipped}`, () => {
  it("that is no JSON is a dead letter with its id, and the others run once", async () => {
    const redis = new Redis(url);
    const name = "q";
    const native = new Queue(name, { connection: { url } as never, prefix });
    const seen: unknown[] = [];
    const job = boost(
      { queue: name, broker: bullmq({ url, prefix }), params: ["n"], concurrency: 2, rpc: true },
      (n: number) => void seen.push(n),
    );
    const broken = ["data", "opts", "opts null", "progress", "parent", "times"];
    for (const [n, id] of broken.entries()) {
      await job.push(n);
      await native.add(name, { n: -n }, { jobId: id });
    }
    await job.push(broken.length);
    const set = (id: string, ...fields: string[]) => redis.hset(`${prefix}:${name}:${id}`, ...fields);
    await set("data", "data", '{"n":');
    await set("opts", "opts", "{not json");
    await set("opts null", "opts", "null");
    await set("progress", "progress", "{");
    await set("parent", "parent", "}");
    await set("times", "timestamp", "yesterday");
    expect((await native.getJobCounts("wait")).wait).toBe(13);
    const peeked = await (await bullmq({ url, prefix }).open({ queue: name, options: {}, leaseMs: 15_000 })).peek?.(20);
    expect(peeked?.length).toBe(13);
    await job.consume();
    await until(async () => (await job.deadLetters.count()) === 5);
    await until(async () => (await job.count()) === 0);
    await until(() => seen.length >= 8);
    expect(seen.sort()).toEqual([-5, 0, 1, 2, 3, 4, 5, 6]);
    const letters = (await job.deadLetters.list()).map(
      ({ body }) => body as { extra: { task_id: string; reason: string } },
    );
    expect(letters.map(({ extra }) => extra.task_id).sort()).toEqual([
      "data",
      "opts",
      "opts null",
      "parent",
      "progress",
    ]);
    for (const { extra } of letters) expect(extra.reason).toMatch(/the job's (data|opts|progress|parent)\b.* no JSON/);
    expect(letters.find(({ extra }) => extra.task_id === "data")).toMatchObject({ raw: '{"n":' });
    expect(letters.find(({ extra }) => extra.task_id === "opts")).toMatchObject({ n: -1 });
    expect((await job.handle("opts").waitRecord({ timeout: 2_000 })).status).toBe("dead");
    await until(async () => (await native.getJobCounts("active")).active === 0);
    expect((await native.getFailed()).map(({ id }) => id).sort()).toEqual([
      "data",
      "opts",
      "opts null",
      "parent",
      "progress",
    ]);
    await native.close();
    const keys = await redis.keys(`${prefix}*`);
    if (keys.length) await redis.del(...keys);
    redis.disconnect();
  }, 30_000);
});
