/** Every server that tests and benchmarks can use, and what of them is up. */
import { kafka } from "./kafka.ts";
import { mongodb } from "./mongodb.ts";
import { postgres } from "./postgres.ts";
import { rabbitmq } from "./rabbitmq.ts";
import { redis } from "./redis.ts";
import type { Server, ServerName } from "./server.ts";
import { findUp } from "./shared.ts";
import { temporal } from "./temporal.ts";

export const servers: Readonly<Record<ServerName, Server>> = { redis, postgres, rabbitmq, kafka, mongodb, temporal };

export type Settings = Readonly<Record<string, string>>;

/** The environment variables of one that we started. */
export const settingsOf = (server: Server, ports: readonly number[]): Settings => ({
  [server.variable]: server.address(ports[0] ?? 0),
  ...server.more?.(ports),
});

/** Those of all that `npm run services -- up` started, except where the environment names another. */
export function settingsOfUp(wanted: readonly Server[] = Object.values(servers)): Settings {
  const found = wanted.map((server) => {
    const up = process.env[server.variable] ? undefined : findUp(server);
    return up && settingsOf(server, up.ports);
  });
  return Object.assign({}, ...found);
}

/** An address without its password. */
export const masked = (address: string) => address.replace(/\/\/[^@/]*@/g, "//***@");
