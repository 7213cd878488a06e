/** An opened queue, for all parts that work on it. */
import { durationMs } from "../../src/base/duration.ts";
import type { QueueSpec } from "../../src/contract/index.ts";
import { type BeeQueue, createBee } from "./bee.ts";
import type { BeeClients } from "./clients.ts";
import type { Endings } from "./endings.ts";
import type { BeeQueueQueueOptions } from "./options.ts";

export interface OpenQueue {
  readonly name: string;
  readonly bee: BeeQueue;
  readonly clients: BeeClients;
  /** `<prefix>:<queue>:` */
  readonly base: string;
  readonly stallMs: number;
  readonly publishTimeoutMs: number;
  readonly endings: Endings;
}

/** Most failed jobs to keep. */
const mostFailed = 5_000;

export async function connectQueue(
  spec: QueueSpec,
  options: BeeQueueQueueOptions & { readonly prefix: string },
  clients: BeeClients,
): Promise<OpenQueue> {
  const { prefix, queue: own = {} } = options;
  const redis = await clients.commands();
  const { stallInterval = Math.ceil(spec.leaseMs * 0.7) } = own;
  const stallMs = durationMs(stallInterval, "stallInterval");
  const settings = { ...own, stallInterval: stallMs, prefix, redis };
  return {
    name: spec.queue,
    bee: await createBee(spec.queue, settings).catch((error: unknown) => Promise.reject(clients.explain(error))),
    clients,
    base: `${prefix}:${spec.queue}:`,
    stallMs,
    publishTimeoutMs: spec.publishTimeoutMs ?? 10_000,
    endings: endingsOf(own, spec.adopt ?? false),
  };
}

/** On an adopted queue what others published ends as by Bee-Queue's own workers. */
function endingsOf(own: NonNullable<BeeQueueQueueOptions["queue"]>, adopt: boolean): Endings {
  const removeOnFailure = own.removeOnFailure ?? false;
  const removeOnSuccess = own.removeOnSuccess ?? true;
  return {
    removeOnSuccess,
    removeOnFailure,
    removeTheirs: { removeOnFailure, removeOnSuccess: own.removeOnSuccess ?? !adopt },
    keepFailed: own.removeOnFailure === undefined && !adopt ? mostFailed : 0,
    sendEvents: own.sendEvents ?? adopt,
  };
}
