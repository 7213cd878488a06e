/** A broker that has nothing: text in, text out, done, failed or put back. What it is handed beyond that is an emulation's mistake, and throws. */
import { memory } from "../../adapters/memory/broker.ts";
import { stringifyJson } from "../../src/base/json.ts";
import type {
  Broker,
  BrokerQueue,
  ConsumeOptions,
  Consumer,
  Delivery,
  Features,
  Handler,
  Message,
} from "../../src/contract/index.ts";

const nothing = {
  ids: false,
  delay: false,
  priority: false,
  retry: false,
  ahead: false,
  pause: false,
} satisfies Partial<Features>;
const marks = ["id", "delayMs", "priority", "ahead", "attempt", "publishedAt"] as const;

/** Over memory, or over an engine that survives a kill. */
export function bareBroker(inner: Broker = memory()): Broker {
  const { features, open, close } = inner;
  return { name: "bare", features: { ...features, ...nothing }, open: async (spec) => bare(await open(spec)), close };
}

function bare({
  features,
  lookahead,
  publish,
  close,
  count,
  clear,
  peek,
  maintain,
  consume,
}: BrokerQueue): BrokerQueue {
  return {
    features: { ...features, ...nothing },
    lookahead,
    async publish(messages) {
      await publish(messages.map(plain));
      return messages.map(() => ({ id: "" }));
    },
    consume: (handler, options) => consumePlain(consume, handler, options),
    close,
    ...(count && { count }),
    ...(clear && { clear }),
    ...(maintain && { maintain }),
    ...(peek && { peek: async (n: number) => (await peek(n)).map(({ body }) => ({ id: "", body })) }),
  };
}

function plain(message: Message): Message {
  const leaked = marks.filter((mark) => message[mark] !== undefined);
  if (leaked.length > 0) throw new Error(`the bare broker was handed ${leaked.join(", ")}, which it has not`);
  const { body } = message;
  return { body: typeof body === "string" ? body : stringifyJson(body) };
}

async function consumePlain(
  consume: BrokerQueue["consume"],
  handler: Handler,
  options: ConsumeOptions,
): Promise<Consumer> {
  const handed = new Map<Delivery, Delivery>();
  const take: Handler = async (delivery) => {
    const { body, crashes, signal } = delivery;
    const known = {
      id: "",
      body,
      attempt: 1,
      native: undefined,
      ...(crashes === undefined ? {} : { crashes }),
      ...(signal ? { signal } : {}),
    };
    handed.set(delivery, known);
    const settlement = await handler(known);
    if (settlement.outcome === "retry" || settlement.outcome === "postponed")
      throw new Error(`the bare broker was told "${settlement.outcome}", which it has not`);
    return settlement;
  };
  const onSettled: ConsumeOptions["onSettled"] = (delivery, how) => {
    options.onSettled(handed.get(delivery) ?? delivery, how);
    handed.delete(delivery);
  };
  const consumer = await consume(take, { ...options, onSettled });
  return { ...consumer, status: () => ({ ...consumer.status(), held: Array.from(handed.values(), ({ id }) => id) }) };
}
