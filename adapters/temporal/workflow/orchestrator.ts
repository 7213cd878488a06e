/** One Worker of Temporal's for each process and server: it carries workflows forward. */
import type { Worker, WorkflowBundle } from "@temporalio/worker";
import { clock, sleep, within } from "../../../src/base/clock.ts";
import { type NativeUse, once, useNativeConnection } from "../connect/native-connection.ts";
import { untilQuiet } from "../connect/quiet.ts";
import { pauseMs } from "../connect/retries.ts";
import { type Target, targetKey } from "../connect/target.ts";
import { type Bundler, workflowBundle } from "./bundle.ts";
import type { BundleOption } from "./bundle-option.ts";
import { createSlots, type Slots, workflowTuner } from "./slots.ts";

export type WorkerPeer = Pick<
  typeof import("@temporalio/worker"),
  "DefaultLogger" | "NativeConnection" | "Runtime" | "Worker"
> &
  Bundler;

type Report = (error: unknown) => void;

interface Orchestration {
  /** Whoever uses it hears of its errors. */
  readonly users: Set<Report>;
  readonly started: Promise<void>;
  stop(): Promise<void>;
}

export interface OrchestratorOptions {
  readonly target: Target;
  readonly identity: string;
  readonly taskQueue: string;
  readonly bundle: BundleOption | undefined;
}

/** Workflow tasks at once: they take milliseconds, and all run in one thread. */
const mostWorkflowTasks = 20;

/** From an activity's end to its workflow's turn. */
const lastTurnMs = 100;

/** With its server away, a Worker takes a minute to end. */
const longestEndMs = 5_000;

const orchestrators = new Map<string, Orchestration>();

/** Carries workflows forward, for as long as somebody in this process uses it. */
export async function useOrchestrator(
  peer: WorkerPeer,
  options: OrchestratorOptions,
  onError: Report,
): Promise<() => Promise<void>> {
  const key = `${targetKey(options.target)}/${options.taskQueue}`;
  const found = orchestrators.get(key) ?? startOrchestrator(peer, options);
  const user: Report = (error) => onError(error); // one consumer may use it twice
  orchestrators.set(key, found);
  found.users.add(user);
  const release = once(async () => {
    found.users.delete(user);
    if (found.users.size > 0) return;
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
  const users = new Set<Report>();
  const tell: Report = (error) => users.forEach((report) => void report(error));
  const started = prepareOrchestrator(peer, options, polling);
  const ended = started.then(
    ({ first, make, native }) => keepRunning(first, make, stop.signal, tell).finally(native.release),
    () => {}, // whoever waits for the start hears of it
  );
  return { users, started: started.then(() => {}), stop: () => windDown(polling, stop, ended) };
}

async function windDown(polling: Polling, stop: AbortController, ended: Promise<void>): Promise<void> {
  // An activity that has just ended needs its workflow carried to its end: a waiter, in another process perhaps, waits
  // for that.
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
  await within(ended, longestEndMs, { unref: true });
}

async function prepareOrchestrator(peer: WorkerPeer, options: OrchestratorOptions, polling: Polling) {
  const bundle = await workflowBundle(peer, options.bundle);
  const native = await useNativeConnection(peer, options.target, options.taskQueue);
  const make = () => {
    polling.slots = createSlots(
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

function createOrchestrator(
  peer: WorkerPeer,
  { connection }: NativeUse,
  options: OrchestratorOptions,
  bundle: WorkflowBundle,
  slots: Slots,
): Promise<Worker> {
  const { taskQueue, identity, target } = options;
  return peer.Worker.create({
    connection,
    namespace: target.namespace,
    taskQueue,
    identity,
    tuner: workflowTuner(slots),
    workflowBundle: bundle,
    // A workflow is looked at twice, perhaps weeks apart: kept in between, each would hold memory, and wait for us when
    // we have died.
    maxCachedWorkflows: 0,
  });
}

/**
 * A Worker that fails is replaced; resolves when stopped. The first is run in any case: a connection cannot be closed
 * over one that never ran.
 */
async function keepRunning(
  first: Worker,
  again: () => Promise<Worker>,
  stop: AbortSignal,
  onError: (error: unknown) => void,
): Promise<void> {
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
