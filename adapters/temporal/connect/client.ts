/** One gRPC connection of the Temporal adapter: where to, and what the server can do. */

import type { Connection } from "@temporalio/client";
import { clock } from "../../../src/base/clock.ts";
import { FunboostError } from "../../../src/base/errors.ts";
import { explain } from "./errors.ts";
import type { Service } from "./protocol.ts";
import { createRetries, type RetryPeer } from "./retries.ts";
import type { Target } from "./target.ts";

/** The part of the package "@temporalio/client" that is used. */
export type ClientPeer = Pick<typeof import("@temporalio/client"), "Connection"> & RetryPeer;

/** What this server and namespace have. */
export interface Server {
  readonly standalone: boolean;
  /** Without it a standalone activity's delay is dropped silently. */
  readonly standaloneDelay: boolean;
  readonly priority: boolean;
  readonly payloadLimit: number;
}

/** A delay is never ignored: what has one is a standalone activity only where the server keeps it. */
export const takesActivity = ({ standalone, standaloneDelay }: Server, delayMs: number): boolean =>
  standalone && (delayMs <= 0 || standaloneDelay);

export interface TemporalClient {
  readonly service: Service;
  readonly target: Target;
  readonly server: Server;
  /** "pid@host", as Temporal's own workers are called. */
  readonly identity: string;
  explain(error: unknown): Error;
  /** Runs `call`, which must have ended in time, or when the signal aborts. */
  bounded<T>(ms: number, call: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  close(): Promise<void>;
}

const connectMs = 5_000;
/**
 * gRPC's own backoff goes up to two minutes, and Temporal's client asks a silent server each 30 s and waits for 15. A
 * server hangs up on who asks more often than each 10 s.
 */
const channelArgs = {
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.keepalive_time_ms": 11_000,
  "grpc.keepalive_timeout_ms": 4_000,
};
const standardLimit = 2 * 1024 * 1024;
/** Older ones lack calls that a queue needs. */
const oldestVersion = [1, 29] as const;
/** Priorities came with 1.31; earlier servers take them and ignore them. */
const priorityVersion = [1, 31] as const;

export async function connect(peer: ClientPeer, target: Target, identity: string): Promise<TemporalClient> {
  let connection: Connection | undefined;
  const retries = createRetries(peer);
  try {
    const { address, tls, apiKey, metadata } = target;
    connection = peer.Connection.lazy({
      address,
      connectTimeout: connectMs,
      interceptors: [retries.interceptor],
      channelArgs,
      ...(tls === undefined ? {} : { tls }),
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(metadata && { metadata: { ...metadata } }),
    });
    const opened = connection;
    const bounded: TemporalClient["bounded"] = (ms, call, signal) =>
      opened.withDeadline(clock.now() + ms, () => (signal ? opened.withAbortSignal(signal, call) : call()));
    await connection.ensureConnected();
    const server = await bounded(connectMs, () => readServer(opened.workflowService, target));
    return {
      service: connection.workflowService,
      target,
      server,
      identity,
      explain: (error) => explain(error, target),
      bounded,
      close: () => retries.stop().then(() => opened.close()),
    };
  } catch (error) {
    await retries.stop();
    await connection?.close().catch(() => {}); // why it failed says more
    throw explain(error, target);
  }
}

async function readServer(service: Service, target: Target): Promise<Server> {
  const [{ serverVersion = "" }, { namespaceInfo }] = await Promise.all([
    service.getSystemInfo({}),
    service.describeNamespace({ namespace: target.namespace }),
  ]);
  refuseOld(serverVersion, target);
  const { capabilities, limits } = namespaceInfo ?? {};
  return {
    standalone: capabilities?.standaloneActivities ?? false,
    standaloneDelay: capabilities?.standaloneActivityStartDelay ?? false,
    priority: isAtLeast(serverVersion, priorityVersion),
    payloadLimit: Number(limits?.blobSizeLimitError ?? 0) || standardLimit,
  };
}

export function refuseOld(version: string, { address }: Target): void {
  if (isAtLeast(version, oldestVersion)) return;
  const needed = `funboost needs ${oldestVersion.join(".")} or later`;
  const message = `Temporal at ${address} is of version ${version}: ${needed}. Upgrade the server.`;
  throw new FunboostError("BROKER_REFUSED", message, { where: "temporal" });
}

/** Temporal's cloud names no version: it is always new. */
function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const found = /^(\d+)\.(\d+)/.exec(version);
  if (!found) return true;
  const [, first, second] = found.map(Number) as [number, number, number];
  return first > major || (first === major && second >= minor);
}
