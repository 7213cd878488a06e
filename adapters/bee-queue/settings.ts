/** Where a Bee-Queue broker connects to, in the words of node_redis 3, and of ioredis, which the store needs. */
import { describe, FunboostError } from "../../src/base/errors.ts";
import { checkRedisSource, type RedisSource } from "../shared/redis-source.ts";

/** Options of node_redis 3. */
export interface NodeRedisOptions {
  readonly host?: string;
  readonly port?: number | string;
  /** Of a Unix socket. */
  readonly path?: string;
  readonly user?: string;
  readonly password?: string;
  readonly db?: number | string;
  readonly tls?: object;
  readonly [name: string]: unknown;
}

/** What is used of a client that the caller has. */
export interface GivenNodeRedis {
  readonly options: NodeRedisOptions;
  readonly selected_db?: number | string;
  duplicate(options?: object): unknown;
}

export interface BeeSource {
  readonly url?: string | undefined;
  readonly connection?: GivenNodeRedis | NodeRedisOptions;
}

const where = "bee-queue";

/** Refuses what is wrong in it. */
export function settingsOf({ url, connection }: BeeSource): NodeRedisOptions {
  const refuse = (text: string) => new FunboostError("BAD_OPTION", text, { where });
  if (url !== undefined && connection !== undefined) throw refuse('takes "url" or "connection", not both.');
  if (connection === undefined) return url === undefined ? {} : fromUrl(url);
  if (typeof connection !== "object" || connection === null)
    throw refuse(`connection must be a node_redis 3 client or its options, got ${describe(connection)}.`);
  if (typeof (connection as { disconnect?: unknown }).disconnect === "function") {
    const advice = 'Give "url", or options such as { host, port, password }.';
    throw refuse(`connection is no node_redis 3 client, and Bee-Queue works with no other. ${advice}`);
  }
  const client = typeof connection.duplicate === "function" ? (connection as GivenNodeRedis) : undefined;
  const { socket, url: inside, retry_strategy: _, ...options } = client?.options ?? (connection as NodeRedisOptions);
  if (options.prefix)
    throw refuse(
      'the option "prefix" of node_redis does not work with scripts. Use the option "prefix" of beeQueue().',
    );
  return {
    ...(inside !== undefined && !client ? fromUrl(String(inside)) : {}),
    ...options,
    ...(socket ? { path: String(socket) } : {}),
    ...(client?.selected_db === undefined ? {} : { db: client.selected_db }),
  };
}

function fromUrl(url: string): NodeRedisOptions {
  checkRedisSource(where, { url });
  const { protocol, username, password, hostname, port, pathname, searchParams } = new URL(url);
  return {
    ...Object.fromEntries(searchParams),
    ...(hostname ? { host: hostname.replace(/^\[|\]$/g, "") } : {}),
    ...(port ? { port: Number(port) } : {}),
    ...(username ? { user: decodeURIComponent(username) } : {}),
    ...(password ? { password: decodeURIComponent(password) } : {}),
    ...(pathname.length > 1 ? { db: pathname.slice(1) } : {}),
    ...(protocol === "rediss:" ? { tls: { servername: hostname } } : {}),
  };
}

/** The same for ioredis. */
export function ioredisSettings({
  host,
  port,
  path,
  user,
  auth_user,
  password,
  auth_pass,
  db,
  tls,
}: NodeRedisOptions): NonNullable<RedisSource["connection"]> {
  const all = {
    host,
    port: port === undefined ? undefined : Number(port),
    path,
    username: user ?? auth_user,
    password: password ?? auth_pass,
    tls,
  };
  const given = Object.fromEntries(
    Object.entries({ ...all, db: db === undefined ? undefined : Number(db) }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  return given as NonNullable<RedisSource["connection"]>;
}
