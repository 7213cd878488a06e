/**
 * Temporal: a task is a standalone activity or a workflow with one activity; ids, delay, priority, retry, pause and
 * results are Temporal's own.
 */
import { hostname } from "node:os";
import { FunboostError } from "../../src/base/errors.ts";
import type { Broker, BrokerQueue, Consumer, Features } from "../../src/contract/index.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { usePeer } from "../shared/peer.ts";
import { createAdmin } from "./admin.ts";
import { type ClientPeer, connect, type TemporalClient } from "./connect/client.ts";
import type { Target } from "./connect/target.ts";
import { createConsumer } from "./consume/consumer.ts";
import {
  checkOptions,
  checkSpec,
  type TemporalMessageOptions,
  type TemporalOptions,
  type TemporalQueueOptions,
} from "./options.ts";
import { createPublisher } from "./publish.ts";
import { createRecent, type TemporalQueue } from "./queue.ts";
import { createResults, type ResultPolls } from "./results.ts";
import type { BundleOption } from "./workflow/bundle-option.ts";

export type { TemporalMessageOptions, TemporalOptions, TemporalQueueOptions };

declare module "../../src/contract/brokers.ts" {
  interface Brokers {
    temporal: { options: TemporalOptions; brokerOptions: TemporalQueueOptions };
  }
}

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

/**
 * Temporal 1.29 or later, or Temporal Cloud. Publishing needs the package "@temporalio/client", consuming also
 * "@temporalio/worker" and "@temporalio/workflow".
 *
 * @example
 * const broker = temporal({ address: "127.0.0.1:7233" });
 * const send = boost({ queue: "mail", broker }, async (to: string) => `sent to ${to}`);
 */
export function temporal(options: TemporalOptions = {}): Broker<TemporalQueueOptions> {
  const { target, mode, orchestrator, bundle } = checkOptions(options);
  const queues = new Set<BrokerQueue>();
  const polls: ResultPolls = { open: 0 };
  const connection = createConnection(target);
  return {
    name: "temporal",
    features,
    async open(spec) {
      const own = checkSpec(spec, orchestrator);
      const parts = {
        client: await connection.client(),
        queue: spec.queue,
        leaseMs: spec.leaseMs,
        publishTimeoutMs: spec.publishTimeoutMs ?? 10_000,
        mode: own.mode ?? mode,
        orchestrator,
        recent: createRecent(),
      };
      const queue = openQueue(parts, own, bundle, polls, () => queues.delete(queue));
      queues.add(queue);
      return queue;
    },
    address: () => target.address,
    async close() {
      await Promise.all([...queues].map((each) => each.close()));
      await connection.close();
    },
  };
}

/** Made at the first use, and made anew where that failed: the server may be there next time. */
function createConnection(target: Target) {
  let connecting: Promise<TemporalClient> | undefined;
  return {
    client() {
      connecting ??= loadClient()
        .then((peer) => connect(peer, target, `${process.pid}@${hostname()}`))
        .catch((error: unknown) => {
          connecting = undefined;
          throw error;
        });
      return connecting;
    },
    async close() {
      const client = await connecting?.catch(() => undefined);
      connecting = undefined;
      await client?.close();
    },
  };
}

function openQueue(
  parts: TemporalQueue,
  own: TemporalQueueOptions,
  bundle: BundleOption | undefined,
  polls: ResultPolls,
  onClose: () => void,
): BrokerQueue {
  const { server, target } = parts.client;
  refuseMode(parts);
  const consumers = new Set<Consumer>();
  const results = createResults(parts, polls);
  return {
    features: {
      ...features,
      priority: server.priority,
      ahead: server.priority,
      delay: parts.mode !== "activity" || server.standaloneDelay,
    },
    lookahead: 0,
    ...(target.namespace === "default" ? {} : { scope: `${target.namespace}:${parts.queue}` }),
    publish: createPublisher(parts),
    async consume(handler, options) {
      const consumer = await createConsumer(
        { queue: parts, perSecond: own.maxTaskQueueActivitiesPerSecond, bundle },
        handler,
        options,
      );
      consumers.add(consumer);
      return { ...consumer, close: (closing) => consumer.close(closing).finally(() => consumers.delete(consumer)) };
    },
    ...createAdmin(parts, () => [...consumers].reduce((sum, consumer) => sum + consumer.status().held.length, 0)),
    result: results.result,
    async close() {
      onClose();
      results.close();
      await Promise.all([...consumers].map((each) => each.close()));
    },
  };
}

function refuseMode({ mode, client: { server, target } }: TemporalQueue): void {
  if (mode !== "activity" || server.standalone) return;
  const advice = 'Set "activity.enableStandalone" on the server (1.31 or later), or use mode "auto" or "workflow".';
  const text = `mode "activity": Temporal at ${target.address} has no standalone activities. ${advice}`;
  throw new FunboostError("BROKER_REFUSED", text, { where: "temporal" });
}

async function loadClient(): Promise<ClientPeer> {
  try {
    return usePeer("temporal", "@temporalio/client", await import("@temporalio/client"), "Connection");
  } catch (cause) {
    throw missingPeer("temporal", "@temporalio/client", cause, ["@temporalio/worker", "@temporalio/workflow"]);
  }
}
