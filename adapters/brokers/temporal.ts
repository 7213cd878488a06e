/** Temporal: a task is a standalone activity or a workflow with one activity; ids, delay, priority, retry, pause and results are Temporal's own. Consuming is in parts/temporal/worker.ts. */
import { hostname } from "node:os";
import type { ConnectionOptions } from "@temporalio/client";
import type { Broker, BrokerQueue, Consumer, Features, QueueSpec } from "../../src/contract/index.ts";
import { describe, FunboostError } from "../../src/errors.ts";
import type { BundleOption } from "../parts/temporal/bundle.ts";
import { connect, type Peer, type Target, type TemporalClient } from "../parts/temporal/client.ts";
import { checkQueue } from "../parts/temporal/protocol.ts";
import { type Mode, makePublisher, makeRecent, type TemporalMessageOptions, type TemporalQueue } from "../parts/temporal/publish.ts";
import { administration, pauseName } from "../parts/temporal/queue.ts";
import { makeResults, type Polls } from "../parts/temporal/results.ts";
import { consumeQueue, type OwnWorkerOptions } from "../parts/temporal/worker.ts";
import { missingPeer } from "../shared/missing-peer.ts";

export interface TemporalOptions {
  /** Host and port. @default "127.0.0.1:7233" */
  readonly address?: string;
  /** The same as `address`; "temporal://host:port" and "https://host:port" (with TLS) are understood too. */
  readonly url?: string;
  /** Must be there already. @default "default" */
  readonly namespace?: string;
  /** True, or certificates. @default off; on with `apiKey` */
  readonly tls?: ConnectionOptions["tls"];
  readonly apiKey?: string;
  /** Headers of every request. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * How messages travel: "activity" is faster and needs a server with standalone activities, "workflow" works on every server,
   * "auto" takes what the server has; a delayed message goes as a workflow where the server would ignore its delay. @default "auto"
   */
  readonly mode?: Mode;
  /** The task queue on which workflows are carried forward; one for an app. @default "funboost.orchestrator" */
  readonly orchestrator?: string;
  /** The workflow's bundle, made on another machine: for images that are read-only or bundled. @default built once, kept in the user's cache folder */
  readonly bundle?: BundleOption;
}

/** `brokerOptions` of a task on Temporal. */
export interface TemporalQueueOptions {
  readonly mode?: Mode;
  /** Temporal's own Worker options, passed through. */
  readonly worker?: OwnWorkerOptions;
}

export type { TemporalMessageOptions };

const features: Features = {
  ids: true,
  delay: true,
  priority: true,
  retry: true,
  ahead: true,
  pause: true,
  durable: true,
  redelivers: true,
  ordered: false, // partitions
  exactCount: false, // Temporal's visibility follows after a moment
  broadcast: false,
  results: true,
};

const modes: readonly Mode[] = ["auto", "workflow", "activity"];
const optionNames = ["address", "url", "namespace", "tls", "apiKey", "metadata", "mode", "orchestrator", "bundle"];

/**
 * Temporal 1.29 or later, or Temporal Cloud. Publishing needs the package "@temporalio/client", consuming also "@temporalio/worker",
 * "@temporalio/activity" and "@temporalio/workflow".
 *
 * @example
 * const send = boost({ queue: "mail", broker: temporal({ address: "127.0.0.1:7233" }) }, async (to: string) => `sent to ${to}`);
 */
export function temporal(options: TemporalOptions = {}): Broker {
  const target = checkOptions(options);
  const { mode = "auto", orchestrator = "funboost.orchestrator", bundle } = options;
  const queues = new Set<BrokerQueue>();
  const polls: Polls = { open: 0 };
  let connecting: Promise<TemporalClient> | undefined;
  const client = () => {
    connecting ??= loadClient()
      .then((peer) => connect(peer, target, `${process.pid}@${hostname()}`))
      .catch((error: unknown) => {
        connecting = undefined; // the server may be there next time
        throw error;
      });
    return connecting;
  };
  return {
    name: "temporal",
    features,
    async open(spec) {
      const own = checkSpec(spec, orchestrator);
      const parts = { client: await client(), queue: spec.queue, leaseMs: spec.leaseMs, mode: own.mode ?? mode, orchestrator, recent: makeRecent() };
      const queue = openQueue(parts, own, bundle, polls, () => queues.delete(queue));
      queues.add(queue);
      return queue;
    },
    address: () => target.address,
    async close() {
      await Promise.all([...queues].map((each) => each.close()));
      const opened = await connecting?.catch(() => undefined);
      connecting = undefined;
      await opened?.close();
    },
  };
}

function openQueue(parts: TemporalQueue, own: TemporalQueueOptions, bundle: BundleOption | undefined, polls: Polls, onClose: () => void): BrokerQueue {
  const { server, target } = parts.client;
  if (parts.mode === "activity" && !server.standalone) {
    const advice = 'Set "activity.enableStandalone" on the server (1.31 or later), or use mode "auto" or "workflow".';
    throw new FunboostError("BROKER_REFUSED", `mode "activity": Temporal at ${target.address} has no standalone activities. ${advice}`, { where: "temporal" });
  }
  const consumers = new Set<Consumer>();
  const results = makeResults(parts, polls);
  return {
    features: { ...features, priority: server.priority, ahead: server.priority, delay: parts.mode !== "activity" || server.standaloneDelay },
    lookahead: 0,
    ...(target.namespace === "default" ? {} : { scope: `${target.namespace}:${parts.queue}` }),
    publish: makePublisher(parts),
    async consume(handler, options) {
      const consumer = await consumeQueue({ queue: parts, own: own.worker ?? {}, bundle }, handler, options);
      consumers.add(consumer);
      return { ...consumer, close: (closing) => consumer.close(closing).finally(() => consumers.delete(consumer)) };
    },
    ...administration(parts, () => [...consumers].reduce((sum, consumer) => sum + consumer.status().held.length, 0)),
    result: results.result,
    async close() {
      onClose();
      results.close();
      await Promise.all([...consumers].map((each) => each.close()));
    },
  };
}

function checkOptions(options: TemporalOptions): Target {
  checkNames(options, optionNames, "temporal()");
  const { namespace = "default", mode = "auto", tls, apiKey, metadata } = options;
  if (!modes.includes(mode)) throw badOption(`mode must be ${modes.map((each) => `"${each}"`).join(", ")}, got ${describe(mode)}.`);
  const { address, secure } = addressOf(options.address ?? options.url ?? "127.0.0.1:7233");
  const useTls = tls ?? (secure || undefined);
  return {
    address,
    namespace,
    ...(useTls === undefined ? {} : { tls: useTls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata && { metadata }),
  };
}

function addressOf(text: string): { address: string; secure: boolean } {
  const [, scheme, rest = ""] = /^(?:(\w+):\/\/)?(.*?)\/?$/.exec(text) ?? [];
  if (rest.includes("@")) throw badOption('the address must not hold a secret. Set "apiKey", or certificates in "tls".');
  if (!/^(\[[\da-fA-F:.]+\]|[^\s:/?#]+)(:\d{1,5})?$/.test(rest) || (scheme && !["temporal", "http", "https", "grpc"].includes(scheme))) {
    throw badOption(`address must be host and port, such as "127.0.0.1:7233", got ${describe(text)}.`);
  }
  return { address: /:\d+$/.test(rest) && !rest.endsWith("]") ? rest : `${rest}:7233`, secure: scheme === "https" };
}

function checkSpec({ queue, options }: QueueSpec, orchestrator: string): TemporalQueueOptions {
  checkQueue(queue, [orchestrator, pauseName]);
  checkNames(options, ["mode", "worker"], `brokerOptions of "${queue}"`);
  const { mode } = options as TemporalQueueOptions;
  if (mode !== undefined && !modes.includes(mode)) throw badOption(`mode must be ${modes.join(", ")}, got ${describe(mode)}.`);
  return options as TemporalQueueOptions;
}

function checkNames(options: object, allowed: readonly string[], of: string): void {
  const unknown = Object.keys(options).find((name) => !allowed.includes(name));
  if (unknown) throw badOption(`${of} has no "${unknown}". Allowed: ${allowed.join(", ")}.`);
}

function badOption(message: string): FunboostError {
  return new FunboostError("BAD_OPTION", message, { where: "temporal" });
}

async function loadClient(): Promise<Peer> {
  try {
    return await import("@temporalio/client");
  } catch (cause) {
    throw missingPeer("temporal", "@temporalio/client", cause);
  }
}
