/** Ids for brokers without them: id, publish time and attempt travel in the body's `extra`. */
import { v7 as uuidv7 } from "uuid";
import { clock } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
import { asBody, bodyValue } from "../base/json.ts";
import type {
  Broker,
  BrokerQueue,
  ConsumeOptions,
  Consumer,
  Delivery,
  Handler,
  Message,
  Published,
} from "../contract/index.ts";
import { type ExtraFacts, readExtra, stampExtra } from "../wire/stamp.ts";

/**
 * Cannot promise: that an id is published once, and anything by id (cancel, state, reschedule, update): the engine does
 * not know our ids. A raw body that is no object stays as it is; its id is made when it is delivered, and may differ at
 * a redelivery.
 */
export function withIds(broker: Broker): Broker {
  return {
    ...broker,
    features: { ...broker.features, ids: true },
    open: async (spec) => idsOn(await broker.open(spec)),
  };
}

function idsOn(queue: BrokerQueue): BrokerQueue {
  const {
    cancel: _cancel,
    askToEnd: _askToEnd,
    state: _state,
    reschedule: _reschedule,
    update: _update,
    result: _result,
    peek,
    ...rest
  } = queue;
  return {
    ...rest,
    features: { ...queue.features, ids: true },
    publish: (messages) => publish(queue, messages),
    consume: (handler, options) => consume(queue, handler, options),
    ...(peek
      ? { peek: async (n: number) => (await peek(n)).map(({ id, body }) => ({ id: readExtra(body)?.id ?? id, body })) }
      : {}),
  };
}

async function publish(queue: BrokerQueue, messages: readonly Message[]): Promise<readonly Published[]> {
  const now = clock.now();
  const stamps = messages.map((message) => stamp(message, now));
  try {
    await queue.publish(stamps.map(({ message }) => message));
  } catch (error) {
    throw Object.assign(toError(error), { accepted: [] }); // the engine's own ids mean nothing above
  }
  return stamps.map(({ id }) => ({ id }));
}

function stamp(original: Message, now: number): { id: string; message: Message } {
  const { id: given, attempt, publishedAt, ...message } = original;
  const { ahead, priority } = message;
  const body = bodyValue(message.body);
  const extra = readExtra(body); // a dead letter brings its old id along
  const id = given ?? extra?.id ?? uuidv7();
  const raw = typeof body !== "object" || body === null || Array.isArray(body);
  if (raw && given === undefined && attempt === undefined && publishedAt === undefined) return { id, message };
  const facts: ExtraFacts = { id, publishedAt: publishedAt ?? extra?.publishedAt ?? now };
  if (attempt !== undefined) facts.attempt = attempt;
  if (ahead !== undefined) facts.ahead = ahead;
  if (priority !== undefined) facts.priority = priority;
  return { id, message: { ...message, body: asBody(stampExtra(body, facts)) } };
}

async function consume(queue: BrokerQueue, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  /** The engine's delivery, and the one with our id that was handed on for it. */
  const deliveries = new Map<Delivery, Delivery>();
  const handOn: Handler = (delivery) => {
    const ours = withId(delivery);
    deliveries.set(delivery, ours);
    return handler(ours);
  };
  const onSettled: ConsumeOptions["onSettled"] = (delivery, how) => {
    const ours = deliveries.get(delivery);
    deliveries.delete(delivery);
    options.onSettled(ours ?? delivery, how);
  };
  const consumer = await queue.consume(handOn, { ...options, onSettled });
  const held = () => Array.from(deliveries.values(), ({ id }) => id);
  return { ...consumer, status: () => ({ ...consumer.status(), held: held() }) };
}

function withId(delivery: Delivery): Delivery {
  const {
    id,
    publishedAt = delivery.publishedAt,
    attempt = 1,
    ahead = delivery.ahead,
  } = readExtra(delivery.body) ?? {};
  return {
    ...delivery,
    id: id ?? (delivery.id || uuidv7()),
    attempt: Math.max(attempt, delivery.attempt),
    ...(publishedAt === undefined ? {} : { publishedAt }),
    ...(ahead === undefined ? {} : { ahead }),
  };
}
