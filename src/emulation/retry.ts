/** Retries for brokers that cannot requeue one delivery: a copy is published, then the original ends as done. */
import { sleep } from "../base/clock.ts";
import { FunboostError, toError } from "../base/errors.ts";
import type {
  Broker,
  BrokerQueue,
  ConsumeOptions,
  Consumer,
  Delivery,
  Handler,
  Message,
  Settlement,
} from "../contract/index.ts";
import { readExtra, stampExtra } from "../wire/stamp.ts";

const firstPauseMs = 100;
const longestPauseMs = 5_000;

type Again = Extract<Settlement, { outcome: "retry" | "postponed" }>;

/**
 * Needs `delay`. Cannot promise: that a crash between copy and acknowledgement leaves one message only (the copy and
 * the original both run then), and that crashes before a retry are still counted after it.
 */
export function withRetry(broker: Broker): Broker {
  return {
    ...broker,
    features: { ...broker.features, retry: true },
    open: async (spec) => retriesOn(await broker.open(spec), spec.queue),
  };
}

function retriesOn(queue: BrokerQueue, name: string): BrokerQueue {
  return {
    ...queue,
    features: { ...queue.features, retry: true },
    publish: (messages) => queue.publish(queue.features.priority ? messages.map(rememberPriority) : messages),
    consume: (handler, options) => consume(queue, name, handler, options),
  };
}

/** The engine's priority is not told at delivery, and the copy needs it. */
function rememberPriority(message: Message): Message {
  return message.priority ? { ...message, body: stampExtra(message.body, { priority: message.priority }) } : message;
}

async function consume(queue: BrokerQueue, name: string, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  const stop = new AbortController();
  const consumer = await queue.consume(async (delivery) => {
    const settlement = await handler(delivery);
    if (settlement.outcome !== "retry" && settlement.outcome !== "postponed") return settlement;
    const signal = delivery.signal ? AbortSignal.any([stop.signal, delivery.signal]) : stop.signal;
    return republish(queue, copyOf(delivery, settlement), name, options, signal);
  }, options);
  return {
    ...consumer,
    close(closing) {
      if (closing?.force) stop.abort();
      return consumer.close(closing);
    },
  };
}

function copyOf({ id, body, attempt, ahead, publishedAt }: Delivery, { outcome, delayMs }: Again): Message {
  const priority = readExtra(body)?.priority;
  return {
    id,
    body: body as Message["body"],
    attempt: outcome === "retry" ? attempt + 1 : attempt,
    ...(delayMs > 0 ? { delayMs } : {}),
    ...(publishedAt === undefined ? {} : { publishedAt }),
    ...(ahead ? { ahead } : {}),
    ...(priority ? { priority } : {}),
  };
}

/** The original stays held until the copy is accepted, however long that takes. */
async function republish(
  queue: BrokerQueue,
  copy: Message,
  name: string,
  { onError }: ConsumeOptions,
  signal: AbortSignal,
): Promise<Settlement> {
  for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      const [published] = await queue.publish([copy]);
      if (!published?.existing) return { outcome: "done" };
      onError(secondRefused(copy, name));
    } catch (error) {
      onError(toError(error));
    }
    await sleep(pauseMs, { signal, unref: true });
  }
  return { outcome: "returned" };
}

function secondRefused({ id }: Message, where: string): FunboostError {
  const text = `the engine takes no second message under the id "${id}", so its retry could not be published.`;
  return new FunboostError("UNSUPPORTED", `${text} It stays queued.`, { where });
}
