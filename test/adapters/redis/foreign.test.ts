/** What others have written under the keys of the Redis store. */
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { redisStore } from "../../../adapters/redis/store.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
afterAll(() => service.stop());

const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

describe.skipIf(!url)(`the Redis store${skipped}`, () => {
  it("rates go on beside a row of starts that is none", async () => {
    const redis = new Redis(url);
    const prefix = `foreign${process.pid}`;
    const store = redisStore({ url, prefix });
    const row = { perMs: 10, places: 3, count: 1, slackMs: 4 };
    for (const [i, each] of ["{no json", "5", "null", "[]", '{"moved":7}', '{"moved":[7]}', "{}"].entries()) {
      await store.reserve(`r${i}`, row);
      const keys = (await redis.keys(`${prefix}*r${i}*`)).filter((key) => key.includes("row"));
      expect(keys).toHaveLength(1);
      await redis.set(keys[0] as string, each);
      for (let n = 0; n < 5; n++) expect((await store.reserve(`r${i}`, row)).starts).toHaveLength(1);
    }
    await redis.del(...(await redis.keys(`${prefix}*`)));
    await store.close();
    redis.disconnect();
  });
});
