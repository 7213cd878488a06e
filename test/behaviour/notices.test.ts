/** Notices of a Redis store that are lost with its server, and come back: told, and what changed meanwhile is in force. */
import { subscribe } from "node:diagnostics_channel";
import { boost, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { redisStore } from "funboost/stores/redis";
import { afterAll, expect, it } from "vitest";
import { startPrivate } from "../support/services.ts";

const service = await startPrivate("redis", { durable: true });
const { REDIS_URL: url } = service.settings ?? {};
afterAll(async () => {
  await shutdown({ grace: 100 });
  await service.stop();
});

const long = { timeout: 15_000 };
/** As broker-down.test.ts does: a skip with the reason in its title. */
const define = url === undefined ? it.skip : it;

define(
  `tells that a consumer looks by itself until notices are back${url === undefined ? `: ${service.unavailable}` : ""}`,
  { timeout: 60_000 },
  async () => {
    configure({
      signals: false,
      log: { level: "silent" },
      ...(url === undefined ? {} : { store: redisStore({ url }) }),
    });
    const { store: _, ...broker } = memory();
    const switches: unknown[] = [];
    const changes: unknown[] = [];
    subscribe("funboost:notice:switch", (message) => void switches.push(message));
    subscribe(
      "funboost:queue:limits",
      (message) => void changes.push((message as { concurrency?: number }).concurrency),
    );
    const job = boost({ queue: "notices", broker }, () => {});
    await job.consume();
    const where = { queue: "notices", broker: "memory" };
    await service.kill();
    await expect.poll(() => switches, long).toEqual([{ ...where, to: "poll" }]);
    await service.restart();
    await expect
      .poll(() => switches, long)
      .toEqual([
        { ...where, to: "poll" },
        { ...where, to: "notices" },
      ]);
    await job.setConcurrency(3);
    await expect.poll(() => changes, long).toEqual([3]);
  },
);
