/** Makes the broker under test, in this process and in the children that the kit kills. */
import { bullmq } from "../../../adapters/bullmq/broker.ts";
import type { Broker } from "../../../src/contract/index.ts";

export function create(settings: Readonly<Record<string, string>> = {}): Broker {
  const url = settings.REDIS_URL ?? process.env.REDIS_URL;
  if (!url)
    throw new Error("REDIS_URL is not set: the BullMQ tests need a Redis server, for example redis://127.0.0.1:6379");
  const prefix = process.env.FUNBOOST_TEST_PREFIX;
  return bullmq(prefix ? { url, prefix: `${prefix}bull`, storePrefix: `${prefix}funboost:` } : { url });
}

export const warm = (): Promise<unknown> => Promise.all([import("bullmq"), import("ioredis")]);
