/** Which Redis is meant: what the options of an adapter say of it, and what is wrong in them. */
import type { Cluster, Redis, RedisOptions } from "ioredis";
import { describe, FunboostError } from "../../src/base/errors.ts";
import { unreadable } from "./urls.ts";

export interface RedisSource {
  /** `redis://user:password@host:port/db`, or `rediss://` for TLS. @default "redis://127.0.0.1:6379" */
  readonly url?: string | undefined;
  /** An ioredis client, whose settings are copied (it is never used or closed by us), or ioredis options. */
  readonly connection?: Redis | Cluster | RedisOptions;
}

export const defaultUrl = "redis://127.0.0.1:6379";

/** Answers the address, for messages. */
export function checkRedisSource(where: string, { url, connection }: RedisSource): string {
  const refuse = (text: string) => new FunboostError("BAD_OPTION", text, { where });
  if (url !== undefined && connection !== undefined) throw refuse('takes "url" or "connection", not both.');
  if (url !== undefined && !(typeof url === "string" && /^rediss?:\/\/./.test(url))) {
    throw refuse(`url must begin with redis:// or rediss://, got ${describe(url)}.`);
  }
  // The client's own error would carry the url.
  if (url !== undefined && !URL.canParse(url)) throw refuse(unreadable);
  if (connection === undefined) return shown(url ?? defaultUrl);
  if (typeof connection !== "object" || connection === null)
    throw refuse(`connection must be an ioredis client or its options, got ${describe(connection)}.`);
  if (isClient(connection) && typeof connection.isCluster !== "boolean")
    throw refuse("connection is a client of another package, or of an ioredis before 5. Tested: ioredis 5 and 6.");
  const options = (isClient(connection) && !connection.isCluster ? connection.options : connection) as RedisOptions;
  if (options.keyPrefix) throw refuse('an ioredis "keyPrefix" does not work with scripts. Use the option "prefix".');
  if (isClient(connection) && connection.isCluster) return "the given cluster";
  return options.path ?? `${options.host ?? "127.0.0.1"}:${options.port ?? 6379}`;
}

/** A password may stand in the query too. */
function shown(url: string): string {
  const { protocol, username, password, host, pathname } = new URL(url);
  return `${protocol}//${username || password ? "***@" : ""}${host}${pathname}`;
}

export function isClient(value: unknown): value is Redis | Cluster {
  return (
    typeof (value as Redis | undefined)?.duplicate === "function" && typeof (value as Redis).disconnect === "function"
  );
}
