/** Somebody empties a queue with the engine's own tools, and its ids begin again: no task is given another's end. */
import Bee from "bee-queue";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { beeQueue } from "../../../adapters/bee-queue/broker.ts";
import { bullmq } from "../../../adapters/bullmq/broker.ts";
import type { Broker } from "../../../src/contract/index.ts";
import { boost, configure, fct } from "../../../src/index.ts";
import { gate } from "../../conformance/until.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
configure({ signals: false, log: { level: "silent" } });
const prefix = `e${process.pid}${Date.now().toString(36)}`;
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(async () => {
  const redis = new Redis(url);
  const keys = await redis.keys(`${prefix}*`);
  if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
  await service.stop();
});

interface Engine {
  broker(): Broker;
  obliterate(queue: string): Promise<unknown>;
}

const storePrefix = `${prefix}f:`;
const engines: Record<string, Engine> = {
  bullmq: {
    broker: () => bullmq({ url, prefix, storePrefix }),
    async obliterate(name) {
      const queue = new Queue(name, { connection: { url } as never, prefix });
      ends.push(() => queue.close());
      await queue.obliterate({ force: true });
    },
  },
  "bee-queue": {
    broker: () => beeQueue({ url, prefix, storePrefix }),
    async obliterate(name) {
      const bee = new Bee(name, { redis: { url } as never, prefix, isWorker: false });
      ends.push(() => bee.close());
      await bee.ready();
      await bee.destroy();
    },
  },
};

describe.skipIf(!url)("emptied by the engine's own tools", () => {
  for (const [name, engine] of Object.entries(engines))
    it(`${name}: a new task is not given the result, the state or the progress of an old one`, async () => {
      const broker = engine.broker();
      ends.push(() => broker.close());
      const queue = `q-${name}`;
      let door = gate();
      const task = boost({ queue, broker, rpc: true }, async (n: number) => {
        await fct.progress(`half of ${n}`);
        await door.opened;
        return n;
      });
      door.open();
      const first = await task.consume();
      const old = await task.push(1);
      expect([old.id, await old.waitResult({ timeout: "5s" })]).toEqual(["1", 1]);
      await first.close();
      await engine.obliterate(queue);

      const fresh = await task.push(2);
      expect([fresh.id, fresh.existing]).toEqual(["1", false]);
      expect([await fresh.state(), await fresh.record(), await fresh.progress()]).toEqual([
        "waiting",
        undefined,
        undefined,
      ]);
      expect(await task.handle("1").state()).toBe("waiting"); // of whoever knows no more than its id
      const waits = [fresh, task.handle("1")].map((each) => each.waitResult({ timeout: "10s" }));
      door = gate();
      const second = await task.consume();
      ends.push(() => second.close());
      await expect.poll(() => fresh.progress()).toBe("half of 2");
      door.open();
      expect(await Promise.all(waits)).toEqual([2, 2]);
      expect([await old.waitResult({ timeout: "5s" }), await fresh.state()]).toEqual([2, "done"]);
    });
});
