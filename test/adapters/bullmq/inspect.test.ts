/** Queues as Bull 4 and BullMQ 3 to 6 left them: what is told of them, and what becomes of their repeats. */
import { readFileSync } from "node:fs";
import { Queue, Worker } from "bullmq";
import { Queue as Queue5 } from "bullmq-5";
import { Redis } from "ioredis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { bullmq } from "../../../adapters/bullmq/broker.ts";
import { memory } from "../../../adapters/memory/broker.ts";
import { boost, configure, inspectQueue, repairRepeats } from "../../../src/index.ts";
import { serviceFor } from "../../support/services.ts";

type Row = readonly [key: string, type: string, value: never];
/** Written by these versions, and read from the server. */
const written = JSON.parse(readFileSync(new URL("written-by.json", import.meta.url), "utf8")) as Record<string, Row[]>;

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
const said: (readonly [object, string])[] = [];
const say = (fields: object, text: string) => void said.push([fields, text]);
configure({ signals: false, log: { level: "warn", logger: { debug: say, info: say, warn: say, error: say } } });
const prefix = `i${process.pid}${Date.now().toString(36)}`;
const redis = url ? new Redis(url) : (undefined as never);
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  const keys = (await redis?.keys(`${prefix}*`)) ?? [];
  if (keys.length > 0) await redis.del(...keys);
});
afterAll(async () => {
  redis?.disconnect();
  await service.stop();
});

const connection = () => ({ host: new URL(url).hostname, port: Number(new URL(url).port), maxRetriesPerRequest: null });

async function load(version: string): Promise<void> {
  for (const [name, type, value] of written[version] as Row[]) {
    const key = `${prefix}:old:${name}`;
    if (type === "hash") await redis.hset(key, value);
    if (type === "list") await redis.rpush(key, ...(value as string[]));
    if (type === "string") await redis.set(key, value);
    if (type === "zset") {
      const flat = value as string[];
      for (let i = 0; i < flat.length; i += 2) await redis.zadd(key, flat[i + 1] as string, flat[i] as string);
    }
  }
}

function ours() {
  const broker = bullmq({ url, prefix, storePrefix: `${prefix}f:` });
  ends.push(() => broker.close());
  return broker;
}

const readers: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
  hash: (key) => redis.hgetall(key),
  list: (key) => redis.lrange(key, 0, -1),
  string: (key) => redis.get(key),
  zset: (key) => redis.zrange(key, "0", "-1", "WITHSCORES"),
};
const snapshot = async () => {
  const keys = (await redis.keys(`${prefix}:*`)).sort();
  return Promise.all(keys.map(async (key) => [key, await readers[await redis.type(key)]?.(key)]));
};

describe.skipIf(!url)("a queue that others wrote", () => {
  for (const [version, lost] of [
    ["bull 4.16.5", true],
    ["bullmq 3.16.2", false],
    ["bullmq 4.18.2", false],
  ] as const)
    it(`${version}: is told, consuming its repeats is refused, and they become schedulers with their data`, async () => {
      await load(version);
      const broker = ours();
      const before = await snapshot();
      const found = await inspectQueue({ broker, queue: "old" });
      expect(await snapshot()).toEqual(before); // it only reads
      expect(found).toMatchObject({ queue: "old", broker: "bullmq", paused: true, parked: 2 });
      expect(found.versions[0]?.toLowerCase()).toBe(lost ? "bull 4" : version);
      expect(found.names.plain).toEqual({ paused: 2 });
      expect(found.repeats).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ name: "mail", every: 1e12, next: 2e12, hasData: true }),
          expect.objectContaining({ name: "report", pattern: "0 0 1 1 *", tz: "Europe/Paris", hasData: true }),
        ]),
      );
      for (const part of ["2 plain", "2 jobs were parked", 'Repeat "mail" every 1000000000000 ms', "repairRepeats()"])
        expect(String(found)).toContain(part.replace("2 plain", 'name "plain": 2 paused'));

      const task = boost({ queue: "old", broker }, (_data: unknown) => {});
      await expect(task.consume()).rejects.toMatchObject({
        code: "BROKER_REFUSED",
        message: expect.stringMatching(/"mail" every 1000000000000 ms.*repairRepeats\(\{ broker, queue: "old" \}\)/),
      });

      const first = await repairRepeats({ broker, queue: "old" });
      expect(first.repaired.map(({ name }) => name).sort()).toEqual(["mail", "report"]);
      expect(first.left).toEqual(lost ? [expect.objectContaining({ name: "lost", hasData: false })] : []);
      if (lost) {
        await expect(task.consume()).rejects.toThrow('"lost" every 2000000000000 ms, whose data is gone');
        const second = await repairRepeats({ broker, queue: "old", data: { lost: { found: 1 } } });
        expect(second.repaired.map(({ name }) => name)).toEqual(["lost"]);
      }
      const six = new Queue("old", { connection: connection(), prefix });
      ends.push(() => six.close());
      const schedulers = await six.getJobSchedulers();
      const mail = schedulers.find(({ name }) => name === "mail");
      expect(mail).toMatchObject({
        every: 1e12,
        next: 2e12,
        template: { data: { to: "ada" }, opts: { attempts: 3, backoff: { type: "fixed", delay: 50 } } },
      });
      const report = schedulers.find(({ name }) => name === "report");
      expect(report).toMatchObject({
        pattern: "0 0 1 1 *",
        tz: "Europe/Paris",
        limit: 5,
        template: { data: { kind: "year" } },
      });
      expect(new Date(report?.next ?? 0).getUTCFullYear()).toBe(2090);
      expect(await six.getDelayedCount()).toBe(schedulers.length); // none is there twice
      expect(await repairRepeats({ broker, queue: "old" })).toEqual({ repaired: [], left: [] });
      said.length = 0;
      const consumer = await task.consume();
      expect(await task.count()).toBeGreaterThanOrEqual(2 + schedulers.length);
      expect(said).toContainEqual([
        { queue: "old", waiting: expect.any(Number) },
        expect.stringContaining("is paused"),
      ]);
      await consumer.close();
    });

  it("a repeat of BullMQ 5 goes on after its repair, each time with its data, and what was due runs once", async () => {
    const five = new Queue5("old", { connection: connection(), prefix });
    ends.push(() => five.close());
    await five.add("tick", { n: 7 }, { repeat: { every: 300 } });
    const broker = ours();
    expect((await inspectQueue({ broker, queue: "old" })).versions).toEqual([expect.stringMatching(/^bullmq 5/)]);
    await new Promise((resolve) => setTimeout(resolve, 400)); // nobody has taken it
    const { repaired } = await repairRepeats({ broker, queue: "old" });
    expect(repaired).toMatchObject([{ name: "tick", every: 300, hasData: true }]);
    const seen: unknown[] = [];
    const worker = new Worker("old", async ({ data }) => void seen.push(data), { connection: connection(), prefix });
    ends.push(() => worker.close());
    await expect.poll(() => seen.length).toBeGreaterThanOrEqual(4);
    expect(new Set(seen.map((data) => JSON.stringify(data)))).toEqual(new Set(['{"n":7}']));
  });

  it("schedulers, flows, deduplication, options and the oldest job are told, of a large queue by a part of it", async () => {
    const six = new Queue("old", { connection: connection(), prefix });
    ends.push(() => six.close());
    await six.add("first", {}, { timestamp: 1_000 });
    await six.addBulk(
      Array.from({ length: 700 }, (_, n) => ({
        name: n % 2 ? "odd" : "even",
        data: { n },
        opts: { attempts: 5, backoff: { type: "mine" }, removeOnComplete: 10, deduplication: { id: `d${n}` } },
      })),
    );
    await six.upsertJobScheduler("daily", { pattern: "0 0 * * *" }, { name: "even", data: {} });
    const broker = ours();
    const found = await inspectQueue({ broker, queue: "old" });
    expect(found).toMatchObject({
      states: { wait: 701, delayed: 1 },
      sampled: { jobs: 501, of: 702 },
      oldest: { id: "1", name: "first", state: "wait", publishedAt: 1_000 },
      schedulers: [{ key: "daily", name: "even", pattern: "0 0 * * *" }],
    });
    expect(found.options.attempts).toMatchObject({ 5: expect.any(Number) });
    expect(found.deduplicated).toBeGreaterThan(400);
    expect(String(found)).toMatch(/by 501 of its 702 jobs[\s\S]*adopt\(\)[\s\S]*backoffStrategy/);
  });

  it("bad input is refused by name: other engines, other keys, no queue", async () => {
    await redis.set(`${prefix}:odd:wait`, "text");
    const broker = ours();
    await expect(inspectQueue({ broker, queue: "odd" })).rejects.toThrow(
      /:odd:wait" is a string.*Which version wrote it/,
    );
    await expect(inspectQueue({ broker: memory(), queue: "old" })).rejects.toMatchObject({ code: "UNSUPPORTED" });
    await expect(repairRepeats({ broker: memory(), queue: "old" })).rejects.toThrow("has no repairRepeats()");
    await expect(inspectQueue({ broker } as never)).rejects.toThrow("takes { broker, queue }");
    await expect(repairRepeats({ broker, queue: "old", data: 1 as never })).rejects.toMatchObject({
      code: "BAD_OPTION",
    });
    expect(String(await inspectQueue({ broker, queue: "empty" }))).toContain("states: empty");
  });
});
