/** Makes the broker under test, in this process and in the children that the kit kills. */
import { beeQueue } from "../../../adapters/bee-queue/broker.ts";
import type { Broker } from "../../../src/contract/index.ts";

export function create(): Broker {
  const url = process.env.REDIS_URL;
  if (!url)
    throw new Error(
      "REDIS_URL is not set: the Bee-Queue tests need a Redis server, for example redis://127.0.0.1:6379",
    );
  const prefix = process.env.FUNBOOST_TEST_PREFIX;
  return beeQueue(prefix ? { url, prefix: `${prefix}bq`, storePrefix: `${prefix}funboost:` } : { url });
}

export const warm = (): Promise<unknown> => Promise.all([import("bee-queue"), import("ioredis")]);
