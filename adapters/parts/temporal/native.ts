/** What the Temporal workers of one process share: the runtime, one native connection for each server, and one worker that carries workflows forward. */
import { createHash } from "node:crypto";
import type { NativeConnection, NativeConnectionOptions, Worker, WorkflowBundle } from "@temporalio/worker";
import { clock, sleep } from "../../../src/clock.ts";
import { type BundleOption, type Bundler, workflowBundle } from "./bundle.ts";
import { pauseMs, type Target } from "./client.ts";
import { makeSlots, type Slots, untilQuiet, workflowTuner } from "./slots.ts";

export type WorkerPeer = Pick<typeof import("@temporalio/worker"), "DefaultLogger" | "NativeConnection" | "Runtime" | "Worker"> & Bundler;

/** The use of a native connection by one consumer. */
export interface Native {
  readonly connection: NativeConnection;
  release(): Promise<void>;
}

interface Shared {
  readonly opened: Promise<NativeConnection>;
  /** Temporal takes one Worker for each task queue and connection. */
  readonly queues: Set<string>;
  users: number;
}

const connections = new Map<string, Shared>();

/** One connection for each server, more only where one queue is consumed twice in this process. */
export async function useNative(peer: WorkerPeer, target: Target, queue: string): Promise<Native> {
  installRuntime(peer);
  const base = keyOf(target);
  let key = base;
  for (let n = 2; connections.get(key)?.queues.has(queue); n++) key = `${base}#${n}`;
  const shared = connections.get(key) ?? { opened: peer.NativeConnection.connect(nativeOptions(target)), queues: new Set(), users: 0 };
  connections.set(key, shared);
  shared.users++;
  shared.queues.add(queue);
  const release = once(async () => {
    shared.queues.delete(queue);
    if (--shared.users > 0) return;
    if (connections.get(key) === shared) connections.delete(key);
    await (await shared.opened.catch(() => undefined))?.close();
  });
  try {
    return { connection: await shared.opened, release };
  } catch (error) {
    await release();
    throw error;
  }
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= work());
}

/** Secrets are compared, not kept. */
function keyOf({ address, namespace, ...rest }: Target): string {
  const secret = createHash("sha256").update(
    JSON.stringify(rest, (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value)),
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

/** Its defaults take over SIGINT and SIGTERM, and write to stderr. Who has installed a runtime of their own keeps it. */
function installRuntime({ Runtime, DefaultLogger }: WorkerPeer): void {
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

interface Orchestration {
  users: number;
  readonly started: Promise<void>;
  stop(): Promise<void>;
}

export interface OrchestratorOptions {
  readonly target: Target;
  readonly identity: string;
  readonly taskQueue: string;
  readonly bundle: BundleOption | undefined;
  onError(error: unknown): void;
}

/** Workflow tasks at once: they take milliseconds, and all run in one thread. */
const mostWorkflowTasks = 20;

/** From an activity's end to its workflow's turn. */
const lastTurnMs = 100;

const orchestrators = new Map<string, Orchestration>();

/** Carries workflows forward, for as long as somebody in this process uses it. */
export async function useOrchestrator(peer: WorkerPeer, options: OrchestratorOptions): Promise<() => Promise<void>> {
  const key = `${keyOf(options.target)}/${options.taskQueue}`;
  const found = orchestrators.get(key) ?? startOrchestrator(peer, options);
  orchestrators.set(key, found);
  found.users++;
  const release = once(async () => {
    if (--found.users > 0) return;
    if (orchestrators.get(key) === found) orchestrators.delete(key);
    await found.stop();
  });
  try {
    await found.started;
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

/** What one orchestrator's polls are doing. */
interface Polling {
  open: boolean;
  lastAt: number;
  slots: Slots | undefined;
}

function startOrchestrator(peer: WorkerPeer, options: OrchestratorOptions): Orchestration {
  const stop = new AbortController();
  const polling: Polling = { open: true, lastAt: 0, slots: undefined };
  const started = prepareOrchestrator(peer, options, polling);
  const ended = started.then(
    ({ first, make, native }) => keepRunning(first, make, stop.signal, options.onError).finally(native.release),
    () => {}, // whoever waits for the start hears of it
  );
  return {
    users: 0,
    started: started.then(() => {}),
    async stop() {
      // An activity that has just ended needs its workflow carried to its end: a waiter, in another process perhaps, waits for that.
      await untilQuiet(
        () => 1,
        () => polling.lastAt,
        lastTurnMs,
      );
      polling.open = false;
      await untilQuiet(
        () => polling.slots?.polling() ?? 0,
        () => polling.lastAt,
      );
      stop.abort();
      await ended;
    },
  };
}

async function prepareOrchestrator(peer: WorkerPeer, options: OrchestratorOptions, polling: Polling) {
  const bundle = await workflowBundle(peer, options.bundle);
  const native = await useNative(peer, options.target, options.taskQueue);
  const make = () => {
    polling.slots = makeSlots(
      () => (polling.open ? mostWorkflowTasks : 0),
      () => (polling.lastAt = clock.monotonic()),
    );
    return createOrchestrator(peer, native, options, bundle, polling.slots);
  };
  try {
    return { first: await make(), make, native };
  } catch (error) {
    await native.release();
    throw error;
  }
}

function createOrchestrator(peer: WorkerPeer, { connection }: Native, options: OrchestratorOptions, bundle: WorkflowBundle, slots: Slots): Promise<Worker> {
  const { taskQueue, identity, target } = options;
  return peer.Worker.create({
    connection,
    namespace: target.namespace,
    taskQueue,
    identity,
    tuner: workflowTuner(slots),
    workflowBundle: bundle,
    // A workflow is looked at twice, perhaps weeks apart: kept in between, each would hold memory, and wait for us when we have died.
    maxCachedWorkflows: 0,
  });
}

/** A Worker that fails is replaced; resolves when stopped. The first is run in any case: a connection cannot be closed over one that never ran. */
export async function keepRunning(first: Worker, again: () => Promise<Worker>, stop: AbortSignal, onError: (error: unknown) => void): Promise<void> {
  let worker: Worker | undefined = first;
  for (let tries = 0; worker || !stop.aborted; tries++) {
    try {
      worker ??= await again();
      await runUntil(worker, stop);
    } catch (error) {
      onError(error);
      await sleep(pauseMs(tries), { signal: stop, unref: true });
    }
    worker = undefined;
  }
}

async function runUntil(worker: Worker, stop: AbortSignal): Promise<void> {
  const shutDown = () => worker.getState() === "RUNNING" && worker.shutdown();
  const running = worker.run();
  stop.addEventListener("abort", shutDown, { once: true });
  if (stop.aborted) shutDown();
  await running.finally(() => stop.removeEventListener("abort", shutDown));
}
