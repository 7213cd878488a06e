/** One connection of node_redis 3: it fails at once when the server is gone, and keeps no process alive. */
import type { Socket } from "node:net";
import { clock, setImmediate, sleep, withJitter } from "../../src/base/clock.ts";
import { FunboostError, toError } from "../../src/base/errors.ts";
import { inNeutralContext } from "../shared/neutral-context.ts";
import { giveUpWhenSilent, patience } from "../shared/silence.ts";
import type { NodeRedisOptions } from "./settings.ts";

type Done = (error: Error | null, reply?: unknown) => void;

/** What is used of a node_redis client. */
export interface NodeRedis {
  readonly ready: boolean;
  readonly stream: Socket;
  readonly retry_timer: NodeJS.Timeout | null;
  readonly selected_db?: number | string;
  readonly server_info: { readonly redis_version?: string };
  /** What waits for its answer. */
  readonly command_queue: { peekFront(): { readonly command: string; readonly args: readonly unknown[] } | undefined };
  send_command(command: string, args: readonly (string | number)[], done: Done): boolean;
  end(flush: boolean): void;
  // biome-ignore lint/suspicious/noExplicitAny: the bound of every listener
  on(event: string, listener: (...args: any[]) => void): unknown;
  once(event: "ready", listener: () => void): unknown;
  removeListener(event: "ready", listener: () => void): unknown;
  setMaxListeners(n: number): unknown;
}

export type NodeRedisClass = new (options: NodeRedisOptions) => NodeRedis;

const where = "bee-queue";
const connectTimeoutMs = 4_000;
/** Bee-Queue itself is content with 2.8; a wait that can be ended from outside needs 5, and so does the store. */
const oldest = 5;

/** It fails while it is made, and comes back by itself once it was there. */
export async function createNodeRedis(
  Client: NodeRedisClass,
  settings: NodeRedisOptions,
  address: string,
): Promise<NodeRedis> {
  let made = false;
  const own = {
    ...settings,
    enable_offline_queue: false, // nothing is sent after its caller gave up
    connect_timeout: 2 ** 31 - 1, // of all tries together: it would give up for good
    retry_strategy({ attempt, error }: { attempt: number; error?: Error | null }) {
      if (!made) return error ?? new Error("connection is closed");
      setImmediate(() => client.retry_timer?.unref());
      return Math.round(withJitter(Math.min(50 * 2 ** Math.min(attempt, 6), 2_000)));
    },
  };
  const client = inNeutralContext(() => new Client(own));
  quiet(client);
  try {
    await withDeadline(readiness(client), address);
    made = true;
    refuseOld(client, address);
    // node_redis selects the database without waiting for the answer.
    if (client.selected_db !== undefined) await command(client, "select", [client.selected_db]);
    return client;
  } catch (error) {
    client.end(true);
    throw error;
  }
}

function readiness(client: NodeRedis): Promise<void> {
  return new Promise((resolve, reject) => {
    client.on("error", reject);
    client.on("ready", resolve);
  });
}

async function withDeadline<T>(work: Promise<T>, address: string): Promise<T> {
  let cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    const error = new FunboostError(
      "BROKER_DOWN",
      `Redis at ${address} did not answer within ${connectTimeoutMs} ms. Is the address right?`,
      { where },
    );
    cancel = clock.after(connectTimeoutMs, () => reject(error)); // keeps the process alive: the answer may never come
  });
  work.catch(() => {}); // may fail after the deadline
  return Promise.race([work, late]).finally(() => cancel());
}

/**
 * Neither its socket nor its reconnect timer keep the process alive; a connection that is not made in time is tried
 * again.
 */
function quiet(client: NodeRedis): void {
  client.setMaxListeners(0); // each queue of Bee-Queue adds one
  client.on("error", () => {});
  client.on("warning", () => {});
  client.stream.unref();
  client.on("connect", () => {
    client.stream.unref();
    watch(client);
  });
  client.on("reconnecting", () =>
    setImmediate(() => {
      const { stream } = client;
      stream.unref();
      clock.after(connectTimeoutMs, () => client.stream === stream && !client.ready && stream.destroy(), {
        unref: true,
      });
    }),
  );
}

const waits = "brpoplpush";

function watch(client: NodeRedis): void {
  const first = () => client.command_queue.peekFront();
  giveUpWhenSilent(client.stream, {
    // Behind a wait it says nothing.
    ping: () => void (client.ready && first()?.command !== waits && command(client, "ping", []).catch(() => {})),
    patience() {
      if (!client.ready) return patience.connecting;
      const { command: name, args } = first() ?? {};
      return name === waits ? Number(args?.[2]) + 1 : patience.ready;
    },
  });
}

function refuseOld({ server_info }: NodeRedis, address: string): void {
  const { redis_version: version = "unknown" } = server_info;
  if (Number.parseInt(version, 10) >= oldest) return;
  const text = `Redis at ${address} is version ${version}. Use Redis ${oldest} or later (6.2 or later is advised).`;
  throw new FunboostError("BROKER_REFUSED", text, { where });
}

/** While a connection is made again, at most for this time: nothing is sent after its caller gave up. */
export function whenReady(client: NodeRedis, ms: number): Promise<void> | undefined {
  if (client.ready) return undefined;
  return new Promise((resolve, reject) => {
    const ready = () => {
      cancel();
      resolve();
    };
    const cancel = clock.after(ms, () => {
      client.removeListener("ready", ready);
      reject(new Error("connection is closed"));
    });
    client.once("ready", ready);
  });
}

export function command(client: NodeRedis, name: string, args: readonly (string | number)[]): Promise<unknown> {
  return new Promise((resolve, reject) =>
    client.send_command(name, args, (error, reply) => (error ? reject(error) : resolve(reply))),
  );
}

export async function hangUp(client: NodeRedis): Promise<void> {
  if (client.ready) await Promise.race([command(client, "quit", []).catch(() => {}), sleep(500, { unref: true })]);
  client.end(true);
}

/** The server has started anew, and nothing was done. */
export const isNoScript = (error: unknown): boolean => (error as { code?: unknown } | undefined)?.code === "NOSCRIPT";

const broken = new Set<unknown>(["NR_CLOSED", "UNCERTAIN_STATE", "CONNECTION_BROKEN", "NR_FATAL"]);

/**
 * A copy: node_redis' own errors carry the command with its arguments. And what they call a broken state is an outage.
 */
export function plainError(error: unknown): Error {
  if (error instanceof FunboostError) return error;
  const source = toError(error) as Error & { code?: unknown; origin?: Error & { code?: unknown } };
  const { origin } = source;
  const outage = broken.has(source.code);
  const code = outage ? (origin?.code ?? "ECONNRESET") : source.code;
  const text = outage ? (origin?.message ?? "connection is closed") : source.message;
  return Object.assign(new Error(text), { name: source.name }, typeof code === "string" ? { code } : {});
}
