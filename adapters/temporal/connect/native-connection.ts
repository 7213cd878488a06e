/**
 * What the Temporal consumers of one process share: the runtime, and one native connection for each server, which does
 * its work outside our thread.
 */
import type { NativeConnection, NativeConnectionOptions } from "@temporalio/worker";
import { type Target, targetKey } from "./target.ts";

type NativePeer = Pick<typeof import("@temporalio/worker"), "DefaultLogger" | "NativeConnection" | "Runtime">;

/** One use of a native connection. */
export interface NativeUse {
  readonly connection: NativeConnection;
  release(): Promise<void>;
}

interface SharedConnection {
  readonly connecting: Promise<NativeConnection>;
  /** Temporal takes one Worker for each task queue and connection. */
  readonly workers: Set<string>;
  users: number;
}

const connections = new Map<string, SharedConnection>();

/**
 * `worker`: the task queue of a Worker on it. While one of the same queue goes down, the next has a connection of its
 * own.
 */
export async function useNativeConnection(peer: NativePeer, target: Target, worker?: string): Promise<NativeUse> {
  installRuntime(peer);
  const base = targetKey(target);
  let key = base;
  for (let n = 2; worker !== undefined && connections.get(key)?.workers.has(worker); n++) key = `${base}#${n}`;
  const shared = connections.get(key) ?? {
    connecting: peer.NativeConnection.connect(nativeOptions(target)),
    workers: new Set(),
    users: 0,
  };
  connections.set(key, shared);
  shared.users++;
  if (worker !== undefined) shared.workers.add(worker);
  const release = once(async () => {
    if (worker !== undefined) shared.workers.delete(worker);
    if (--shared.users > 0) return;
    if (connections.get(key) === shared) connections.delete(key);
    // The last one of a process takes the runtime with it, and all polls.
    await (await shared.connecting.catch(() => undefined))?.close();
  });
  try {
    return { connection: await shared.connecting, release };
  } catch (error) {
    await release();
    throw error;
  }
}

export function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}

function nativeOptions({ address, tls, apiKey, metadata }: Target): NativeConnectionOptions {
  return {
    address,
    ...(tls === undefined ? {} : { tls: tls as NonNullable<NativeConnectionOptions["tls"]> }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata && { metadata: { ...metadata } }),
  };
}

let installed = false;

/**
 * Its defaults take over SIGINT and SIGTERM, and write to stderr. Who has installed a runtime of their own keeps it:
 * Temporal makes it again after each end.
 */
function installRuntime({ Runtime, DefaultLogger }: NativePeer): void {
  if (installed) return;
  installed = true;
  try {
    Runtime.install({
      shutdownSignals: [],
      logger: new DefaultLogger("ERROR", () => {}), // what matters is told by the calls that fail
      telemetryOptions: { logging: { forward: {}, filter: "ERROR" } },
    });
  } catch (error) {
    if ((error as Error).name !== "IllegalStateError") throw error;
  }
}
