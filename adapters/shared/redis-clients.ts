/** ioredis for several adapters: one connection for each use, made at the first need, and errors in our words. */
import type { Redis } from "ioredis";
import { clock, sleep } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import { inNeutralContext } from "./neutral-context.ts";
import { connectTimeoutMs, createConnection, type RedisUse } from "./redis-connection.ts";
import { explainRedis } from "./redis-errors.ts";
import { checkRedisSource, type RedisSource } from "./redis-source.ts";

export interface RedisClients {
  /** For messages: no secrets. */
  readonly address: string;
  /** The connection for this use; made and checked at the first call. */
  get(use: RedisUse): Promise<Redis>;
  /** An error of ioredis as one of ours; others stay as they are. */
  explain(error: unknown): Error;
  /** Closes what was opened here. */
  close(): Promise<void>;
}

const oldest = 5;

/** Opens nothing yet; refuses what is wrong in the options. */
export function createRedisClients(where: string, source: RedisSource, pipelined = false): RedisClients {
  const address = checkRedisSource(where, source);
  const opened = new Map<RedisUse, Promise<Redis>>();
  let lastTrouble: string | undefined;
  const explain = (error: unknown) => explainRedis(error, where, address, lastTrouble);
  async function connect(use: RedisUse): Promise<Redis> {
    const client = await inNeutralContext(() => createConnection(where, source, use, pipelined));
    client.on("error", (error: Error) => (lastTrouble = error.message));
    client.on("ready", () => (lastTrouble = undefined));
    try {
      await withDeadline(client.connect(), where, address);
      await refuseOld(client, where, address);
      return client;
    } catch (error) {
      const explained = explain(error);
      client.disconnect();
      throw explained;
    }
  }
  return {
    address,
    explain,
    get(use) {
      const known = opened.get(use) ?? connect(use);
      opened.set(use, known);
      known.catch(() => opened.get(use) === known && opened.delete(use)); // the next call tries again
      return known;
    },
    async close() {
      const clients = await Promise.allSettled(opened.values());
      opened.clear();
      await Promise.all(clients.map((each) => (each.status === "fulfilled" ? quit(each.value) : undefined)));
    },
  };
}

async function withDeadline(connecting: Promise<void>, where: string, address: string): Promise<void> {
  let cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    const error = new FunboostError(
      "BROKER_DOWN",
      `Redis at ${address} did not answer within ${connectTimeoutMs} ms. Is the address right?`,
      { where },
    );
    cancel = clock.after(connectTimeoutMs, () => reject(error), { unref: true });
  });
  connecting.catch(() => {}); // may fail after the deadline
  return Promise.race([connecting, late]).finally(() => cancel());
}

async function refuseOld(client: Redis, where: string, address: string): Promise<void> {
  const info = await client.info("server");
  const version = /^redis_version:(\S+)/m.exec(info)?.[1];
  if (!version || /dragonfly|valkey/i.test(info) || Number.parseInt(version, 10) >= oldest) return;
  throw new FunboostError(
    "BROKER_REFUSED",
    `Redis at ${address} is version ${version}. Use Redis ${oldest} or later (6.2 or later is advised).`,
    { where },
  );
}

async function quit(client: Redis): Promise<void> {
  client.on("error", () => {});
  if (client.status === "ready") await Promise.race([client.quit().catch(() => {}), sleep(500, { unref: true })]);
  client.disconnect();
}
