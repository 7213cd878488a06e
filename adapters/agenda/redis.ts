/** Agenda's Redis backend: how it is connected. */

import type { RedisBackend } from "@agendajs/redis-backend";
import type { AgendaBackend } from "agenda";
import type { Redis } from "ioredis";
import { FunboostError, isFunboostError } from "../../src/base/errors.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { usePeer } from "../shared/peer.ts";
import { createRedisClients } from "../shared/redis-clients.ts";
import type { AgendaLink } from "./link.ts";
import { createRedisTable } from "./redis-table.ts";
import { unreadableUrl } from "./urls.ts";

const defaultPrefix = "agenda:";
const traits = { lookahead: 50, loadsOneByOne: true, keepsFailed: false } as const;

export async function connectRedis(url: string | undefined, keyPrefix: string | undefined): Promise<AgendaLink> {
  const { RedisBackend: Backend } = await load();
  const clients = createRedisClients("agenda", url === undefined ? {} : { url });
  const redis = await clients.get("commands").catch((error: unknown) => Promise.reject(unreadableUrl(error) ?? error));
  const prefix = keyPrefix ?? defaultPrefix;
  const backend = new Backend({ redis: redis as never, keyPrefix: prefix });
  const call = <T>(work: () => Promise<T>) => work().catch((error: unknown) => Promise.reject(clients.explain(error)));
  await call(() => backend.connect());
  return {
    engine: "Redis",
    backend,
    ...traits,
    table: createRedisTable(redis, prefix),
    call,
    close: () => clients.close(),
  };
}

/** Takes a backend of the user's, which is never closed. */
export async function adoptRedis(backend: AgendaBackend): Promise<AgendaLink> {
  const redis = clientOf(backend) as Redis;
  const prefix = (backend.repository as unknown as { keyPrefix?: string }).keyPrefix ?? defaultPrefix;
  const call = <T>(work: () => Promise<T>) => work().catch((error: unknown) => Promise.reject(explain(error)));
  await call(() => backend.connect());
  return { engine: "Redis", backend, ...traits, table: createRedisTable(redis, prefix), call, close: async () => {} };
}

/** Undefined: not a backend of this kind. */
export function clientOf(backend: AgendaBackend): Redis | undefined {
  return (backend.repository as unknown as { getRedis?(): Redis }).getRedis?.();
}

async function load(): Promise<{ readonly RedisBackend: typeof RedisBackend }> {
  try {
    return usePeer("agenda", "@agendajs/redis-backend", await import("@agendajs/redis-backend"), "RedisBackend");
  } catch (cause) {
    throw missingPeer("agenda", "@agendajs/redis-backend", cause);
  }
}

function explain(error: unknown): Error {
  if (isFunboostError(error) || !/ECONN|ETIMEDOUT|EPIPE|Connection is closed|max retries/i.test(String(error)))
    return error as Error;
  return new FunboostError(
    "BROKER_DOWN",
    `the given Redis backend cannot be used now: ${(error as Error).message}. Is it up?`,
    {
      where: "agenda",
      cause: error,
    },
  );
}
