/** What the Temporal consumers of one process share: the runtime, and one native connection for each server, which does its work outside our thread. */
import { createHash } from "node:crypto";
import type { NativeConnection, NativeConnectionOptions } from "@temporalio/worker";
import type { Target } from "./client.ts";

type NativePeer = Pick<typeof import("@temporalio/worker"), "DefaultLogger" | "NativeConnection" | "Runtime">;

/** One use of a native connection. */
export interface Native {
  readonly connection: NativeConnection;
  release(): Promise<void>;
}

interface Shared {
  readonly opened: Promise<NativeConnection>;
  /** Temporal takes one Worker for each task queue and connection. */
  readonly workers: Set<string>;
  users: number;
}

const connections = new Map<string, Shared>();

/** `worker`: the task queue of a Worker on it. While one of the same queue goes down, the next has a connection of its own. */
export async function useNative(peer: NativePeer, target: Target, worker?: string): Promise<Native> {
  installRuntime(peer);
  const base = keyOf(target);
  let key = base;
  for (let n = 2; worker !== undefined && connections.get(key)?.workers.has(worker); n++) key = `${base}#${n}`;
  const shared = connections.get(key) ?? {
    opened: peer.NativeConnection.connect(nativeOptions(target)),
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
    await (await shared.opened.catch(() => undefined))?.close(); // the last one of a process takes the runtime with it, and all polls
  });
  try {
    return { connection: await shared.opened, release };
  } catch (error) {
    await release();
    throw error;
  }
}

export function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}

/** Secrets are compared, not kept. */
export function keyOf({ address, namespace, ...rest }: Target): string {
  const secret = createHash("sha256").update(
    JSON.stringify(rest, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
    ),
  );
  return `${address}/${namespace}/${secret.digest("hex")}`;
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

/** Its defaults take over SIGINT and SIGTERM, and write to stderr. Who has installed a runtime of their own keeps it: Temporal makes it again after each end. */
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
