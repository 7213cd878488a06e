/** An honest broker with one fault switched on: each fault must be noticed by a named case of the kit. */
import { memory } from "../../adapters/memory/broker.ts";
import { memoryStore } from "../../adapters/memory/store.ts";
import { sqlite } from "../../adapters/sqlite/broker.ts";
import { bodyValue } from "../../src/base/json.ts";
import type { Broker, Store } from "../../src/contract/index.ts";
import { bareBroker } from "./bare-broker.ts";
import {
  clearingHalf,
  consuming,
  type Fault,
  fault,
  forgettingAcks,
  handling,
  losing,
  neverPaused,
  publishing,
  redelivering,
  settling,
  without,
} from "./lies.ts";
import { processFaults } from "./process-lies.ts";
import { storeFaults } from "./store-lies.ts";
import { withStore } from "./with-store.ts";

const withBigInts = (body: unknown): unknown =>
  JSON.parse(JSON.stringify(body), (_key, value) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) ? BigInt(value) : value,
  );

export const faults = {
  "loses messages": fault("each message is handled once when nothing fails", losing),
  "delivers twice": fault(
    "concurrency is reached and never exceeded",
    handling((handler) => (delivery) => {
      void handler({ ...delivery });
      return handler(delivery);
    }),
  ),
  "publishes twice": fault("each message is handled once when nothing fails", (queue) => ({
    async publish(messages) {
      await queue.publish(without("id")(messages));
      return queue.publish(messages);
    },
  })),
  "reverses the order": fault(
    "pushMany keeps its order",
    publishing((messages) => [...messages].reverse()),
  ),
  "answers wrong ids": fault("publish answers the ids that are delivered, in order", (queue) => ({
    publish: async (messages) => [...(await queue.publish(messages))].reverse(),
  })),
  "mangles unicode": fault(
    "a body survives unicode and nesting",
    publishing((messages) =>
      messages.map((message) => ({
        ...message,
        body: JSON.parse(JSON.stringify(message.body).replace(/[^\x20-\x7e]/g, "?")),
      })),
    ),
  ),
  "cuts long bodies": fault(
    "a body of 300 kB arrives whole",
    publishing((messages) =>
      messages.map((message) => ({
        ...message,
        body: JSON.parse(
          JSON.stringify(message.body, (_key, value) => (typeof value === "string" ? value.slice(0, 65_536) : value)),
        ),
      })),
    ),
  ),
  "sends what was last given for all of a tick": fault(
    "one object that is pushed again and again is sent as it was at each call",
    publishing((messages) => messages.map((message) => ({ ...message, body: (messages.at(-1) ?? message).body }))),
  ),
  "takes large numbers for BigInt": fault(
    "large numbers arrive as the numbers that they were",
    handling((handler) => (delivery) => handler({ ...delivery, body: withBigInts(delivery.body) })),
  ),
  "does not report a known id": fault(
    "a task id that is published twenty times at once is published once",
    (queue) => ({
      publish: async (messages) => (await queue.publish(messages)).map(({ id }) => ({ id })),
    }),
  ),
  "publishes a known id again": fault(
    "a task id that is published twenty times at once is published once",
    publishing(without("id")),
  ),
  "closes early": fault(
    "close waits for what is held and flushes it",
    consuming((consumer) => ({ close: async () => void consumer.close().catch(() => {}) })),
  ),
  "loses acknowledgements at close": fault("close waits for what is held and flushes it", forgettingAcks),
  "forces every close": fault(
    "close waits for what is held and flushes it",
    consuming((consumer) => ({ close: () => consumer.close({ force: true }) })),
  ),
  "goes on after close": fault(
    "nothing is delivered after close",
    consuming(() => ({ close: async () => {} })),
  ),
  "ignores the window": fault(
    "the window is never exceeded",
    consuming((consumer) => ({ setWindow: (n) => consumer.setWindow(n > 0 ? 1_000 : 0) })),
  ),
  "fetches too much by one": fault(
    "the window is never exceeded",
    consuming((consumer) => ({ setWindow: (n) => consumer.setWindow(n > 0 ? n + 1 : 0) })),
  ),
  "does not wake for a raised window": fault(
    "setConcurrency takes effect live, up and down",
    consuming((consumer) => {
      let sent = 0;
      return { setWindow: (n) => (sent > 0 && n > sent ? undefined : consumer.setWindow((sent = n))) };
    }),
  ),
  "fetches before a window is set": fault("nothing is fetched before the first setWindow", (queue) => ({
    async consume(handler, options) {
      const consumer = await queue.consume(handler, options);
      consumer.setWindow(1);
      return consumer;
    },
  })),
  "ignores a window of 0": fault("a pause also holds what was fetched and has not started", (queue) => ({
    ...consuming((consumer) => ({ setWindow: (n) => consumer.setWindow(Math.max(1, n)) }))(queue),
    ...neverPaused(),
  })),
  "settles twice": fault(
    "onSettled is called once for each delivery",
    consuming(
      () => ({}),
      (options) => ({
        ...options,
        onSettled(delivery, how) {
          options.onSettled(delivery, how);
          options.onSettled(delivery, how);
        },
      }),
    ),
  ),
  "drops dead letters": fault(
    "a message out of retries goes to the dead-letter queue with its reason",
    (queue, name) =>
      name.endsWith("_dlx") ? { publish: async (messages) => messages.map(({ id = "dropped" }) => ({ id })) } : queue,
  ),
  "drops dead letters of what was never retried": fault(
    "FatalError is kept by deadLetter: all that failed for good is",
    (queue) => ({
      publish: async (messages) =>
        messages.some(({ body }) => (bodyValue(body) as { extra?: { attempts?: number } }).extra?.attempts === 1)
          ? messages.map(({ id = "dropped" }) => ({ id }))
          : queue.publish(messages),
    }),
  ),
  "puts off what it cannot read": fault(
    "an error that throws when it is read ends its task like any other, and no neighbour's",
    settling((settlement) =>
      settlement.outcome === "retry" && settlement.error.message.includes("cannot be read")
        ? { outcome: "postponed", delayMs: 1_000 }
        : settlement,
    ),
  ),
  "counts one too many": fault("count tells what waits and what is delayed", (queue) => ({
    async count() {
      const counts = (await queue.count?.()) ?? { ready: 0, delayed: 0 };
      return { ...counts, ready: counts.ready + 1 };
    },
  })),
  "does not count what is delayed": fault("waitIdle waits for delayed messages and retries", (queue) => ({
    count: async () => ({ ...((await queue.count?.()) ?? { ready: 0, running: 0 }), delayed: 0 }),
  })),
  "puts postponed messages to the front": fault(
    "a postponed message runs behind what waits",
    settling((settlement) => (settlement.outcome === "postponed" ? { outcome: "returned" } : settlement)),
  ),
  "counts a postponement as an attempt": fault(
    "RequeueError is not counted as an attempt",
    settling((settlement) =>
      settlement.outcome === "postponed"
        ? { outcome: "retry", error: new Error("lie"), delayMs: settlement.delayMs }
        : settlement,
    ),
  ),
  "fails what is put off": fault(
    "a call that does not fit the task is put off, uncounted, until a version comes that takes it",
    settling((settlement) =>
      settlement.outcome === "postponed" ? { outcome: "failed", error: new Error("lie") } : settlement,
    ),
  ),
  "puts returned messages to the end": fault(
    "a returned delivery comes again first and unchanged",
    settling((settlement) => (settlement.outcome === "returned" ? { outcome: "postponed", delayMs: 0 } : settlement)),
  ),
  "delivers delayed messages early": fault(
    "a delayed message is not delivered before its time", // the core would put off its start
    publishing((messages) =>
      messages.map((message) => (message.delayMs ? { ...message, delayMs: message.delayMs / 20 } : message)),
    ),
  ),
  "retries at once": fault(
    "a retry waits for its backoff",
    settling((settlement) => (settlement.outcome === "retry" ? { ...settlement, delayMs: 0 } : settlement)),
  ),
  "ignores priority": fault("higher priority first", publishing(without("priority"))),
  "ignores ahead": fault("a child goes before what waits", publishing(without("ahead"))),
  "does not raise the attempt": fault(
    "attempts count 1, 2, 3",
    handling((handler) => (delivery) => handler({ ...delivery, attempt: 1 })),
  ),
  "retries what has failed": fault(
    "a failed delivery is final",
    settling((settlement) => (settlement.outcome === "failed" ? { outcome: "postponed", delayMs: 0 } : settlement)),
  ),
  "ignores pause": fault("a paused queue starts nothing, and resume() goes on", neverPaused),
  "stays paused": fault("a paused queue starts nothing, and resume() goes on", (queue) => ({
    setPaused: async (paused) => (paused ? queue.setPaused?.(true) : undefined),
  })),
  "forgets delayed messages in clear": fault("clear removes what is delayed", clearingHalf),
  "clears nothing": fault("clear removes what waits", () => ({ clear: async () => {} })),
  "cancels in words only": fault("a cancelled message does not run, and its waiter hears of it", () => ({
    cancel: async (ids) => ids,
  })),
  "cancels what runs": fault("what has run cannot be cancelled", () => ({ cancel: async (ids) => ids })),
  "does not know what runs": fault("state() and record() follow a task to its end", () => ({
    state: async () => "waiting",
  })),
  "knows no task by its id": fault(
    "who knows only the id waits for what waits, is delayed, runs or is retried",
    () => ({ state: async () => "unknown" }),
  ),
  "redelivers what still runs": fault("a slow run that lives is not delivered again", redelivering),
  "publishes something for an empty list": fault("publish([]) does nothing", (queue) => ({
    publish: (messages) => queue.publish(messages.length === 0 ? [{ body: {} }] : messages),
  })),
  "changes bodies that are text": fault(
    "a thousand malformed messages between good ones lose nothing and stop nothing",
    (queue) => ({
      publish: async (messages) =>
        await queue.publish(
          messages.map((message) => (typeof message.body === "string" ? { ...message, body: {} } : message)),
        ),
    }),
  ),
  ...processFaults,
  ...storeFaults,
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;

export function lyingBroker(name: FaultName | "none", { file, bare }: Readonly<Record<string, string>>): Broker {
  const whole = file ? sqlite({ file }) : memory();
  const honest = bare ? withStore(bareBroker(whole), memoryStore()) : whole;
  if (name === "none") return honest;
  const { lie, store: lieAbout } = faults[name] as Fault;
  const store = lieAbout && (async () => about((await honest.store?.()) as Store, lieAbout));
  return {
    ...honest,
    ...(store && { store }),
    async open(spec) {
      const queue = await honest.open(spec);
      return { ...queue, ...lie(queue, spec.queue) };
    },
  };
}

function about(store: Store, lie: NonNullable<Fault["store"]>): Store {
  return { ...store, ...lie(store) };
}

/** `file`: over SQLite, in that file; `bare`: over a broker that has nothing. */
export function create(settings: Readonly<Record<string, string>>): Broker {
  return lyingBroker((settings.fault ?? "none") as FaultName | "none", settings);
}
