/** An opened queue, for all parts that work on it. */
import { durationMs } from "../../src/base/duration.ts";
import type { QueueSpec } from "../../src/contract/index.ts";
import { type BeeQueue, createBee } from "./bee.ts";
import type { BeeClients } from "./clients.ts";
import type { Endings } from "./endings.ts";
import { isNoScript } from "./node-redis.ts";
import type { BeeQueueQueueOptions } from "./options.ts";

export interface OpenQueue {
  readonly name: string;
  readonly bee: BeeQueue;
  readonly clients: BeeClients;
  /** `<prefix>:<queue>:` */
  readonly base: string;
  readonly stallMs: number;
  readonly endings: Endings;
  /** Bee-Queue's scripts once more: it sends them only when it connects. */
  reload(): Promise<void>;
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
  const create = () => createBee(spec.queue, { ...own, stallInterval: stallMs, prefix, redis });
  return {
    name: spec.queue,
    bee: await create().catch((error: unknown) => Promise.reject(clients.explain(error))),
    clients,
    base: `${prefix}:${spec.queue}:`,
    stallMs,
    endings: {
      removeOnSuccess: own.removeOnSuccess ?? true,
      removeOnFailure: own.removeOnFailure ?? false,
      keepFailed: own.removeOnFailure === undefined ? mostFailed : 0,
      sendEvents: own.sendEvents ?? false,
    },
    reload: async () => void (await (await create()).close()),
  };
}

/** Runs a call of Bee-Queue that runs a script of it. */
export async function withScripts<T>({ reload }: Pick<OpenQueue, "reload">, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!isNoScript(error)) throw error;
    await reload();
    return call();
  }
}
