/** Redis. Without persistence, except where a restart is tested. */
import { Redis } from "ioredis";
import { apt, aptObstacle } from "./install.ts";
import { within } from "./probe.ts";
import { ask, which } from "./process.ts";
import type { Server } from "./server.ts";

export const redis: Server = {
  name: "redis",
  variable: "REDIS_URL",
  portCount: 1,
  skipped: "BullMQ, Bee-Queue, Agenda on Redis, the Redis store",
  missing: () => (which("redis-server") ? undefined : "redis-server is not installed"),
  obstacle: aptObstacle,
  install: () => apt("redis-server"),
  version: () => /v=([\d.]+)/.exec(ask("redis-server", "--version"))?.[1] ?? "?",
  address: (port) => `redis://127.0.0.1:${port}`,
  async prepare({ folder, ports, durable }) {
    const own = ["--port", String(ports[0]), "--bind", "127.0.0.1", "--dir", folder, "--daemonize", "no"];
    // Without fsync: every write is with the system before it is acknowledged, which a kill -9 of Redis cannot undo.
    const kept = durable ? ["--appendonly", "yes", "--appendfsync", "no"] : ["--appendonly", "no"];
    return { file: "redis-server", args: [...own, "--save", "", ...kept] };
  },
  async check(address) {
    const client = new Redis(address, {
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      connectTimeout: 3_000,
    });
    let reason: Error | undefined;
    client.on("error", (error) => (reason = error));
    try {
      await within(client.connect().then(() => client.ping()));
    } catch (error) {
      throw reason ?? error;
    } finally {
      client.disconnect();
    }
  },
};
