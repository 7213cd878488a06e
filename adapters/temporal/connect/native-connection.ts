/**
 * What the Temporal consumers of one process share: the runtime, and one native connection for each server, which does
 * its work outside our thread.
 */
import type { NativeConnection, NativeConnectionOptions } from "@temporalio/worker";
import { deadline, undoIfLate } from "../../../src/base/deadline.ts";
import { type Target, targetKey } from "./target.ts";

type NativePeer = Pick<typeof import("@temporalio/worker"), "DefaultLogger" | "NativeConnection" | "Runtime">;

/** One use of a native connection. */
export interface NativeUse {
  /** The one that is used now. */
  readonly connection: NativeConnection;
  /** The server does not answer on this one: another takes its place. */
  replace(silent: NativeConnection): void;
  release(): Promise<void>;
}

interface SharedConnection {
  current: Promise<NativeConnection>;
  /** Another is being made. */
  replacing: boolean;
  /** A Worker holds on to one that was replaced. */
  readonly replaced: NativeConnection[];
  /** Temporal takes one Worker for each task queue and connection. */
  readonly workers: Set<string>;
  users: number;
}

const connectMs = 5_000;
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
  const connect = () => peer.NativeConnection.connect(nativeOptions(target));
  const shared = connections.get(key) ?? createShared(connect);
  connections.set(key, shared);
  shared.users++;
  if (worker !== undefined) shared.workers.add(worker);
  const release = once(async () => {
    if (worker !== undefined) shared.workers.delete(worker);
    if (--shared.users > 0) return;
    if (connections.get(key) === shared) connections.delete(key);
    // The last one of a process takes the runtime with it, and all polls.
    await (await shared.current.catch(() => undefined))?.close();
    for (const each of shared.replaced) await each.close();
  });
  try {
    return await useOf(shared, connect, release);
  } catch (error) {
    await release();
    throw error;
  }
}

const createShared = (connect: () => Promise<NativeConnection>): SharedConnection => ({
  current: connect(),
  replacing: false,
  replaced: [],
  workers: new Set(),
  users: 0,
});

async function useOf(
  shared: SharedConnection,
  connect: () => Promise<NativeConnection>,
  release: () => Promise<void>,
): Promise<NativeUse> {
  const use = { connection: await shared.current, release };
  const replace = async (silent: NativeConnection) => {
    use.connection = await shared.current; // another user may have seen it too
    if (use.connection !== silent || shared.replacing) return;
    shared.replacing = true;
    const connecting = connect();
    const inTime = deadline(connecting, connectMs, "connecting", "temporal");
    const fresh = await undoIfLate(inTime, connecting, (late) => late.close()).finally(
      () => (shared.replacing = false),
    );
    if (shared.users === 0) return fresh.close();
    shared.current = Promise.resolve(fresh);
    use.connection = fresh;
    await silent.close().catch(() => shared.replaced.push(silent));
  };
  // Where it fails, the next call that is not answered tries again.
  return Object.assign(use, { replace: (silent: NativeConnection) => void replace(silent).catch(() => {}) });
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
