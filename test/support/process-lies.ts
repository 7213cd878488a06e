/** Lies about processes, names and crowds. */
import type { BrokerQueue, Consumer, Delivery, Message } from "../../src/contract/index.ts";
import { consuming, durableFault, type Fault, fault, handling, publishing, settling } from "./lies.ts";

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const large = 1_000_000;
const sizeOf = (value: unknown) => JSON.stringify(value)?.length ?? 0;

/** The attempt lives in this process and nowhere else. */
const counting = () => {
  const attempts = new Map<string, number>();
  return handling((handler) => (delivery) => {
    const attempt = (attempts.get(delivery.id) ?? 0) + 1;
    attempts.set(delivery.id, attempt);
    return handler({ ...delivery, attempt });
  });
};

const seenAs = (change: (delivery: Delivery) => Partial<Delivery>) =>
  handling((handler) => (delivery) => handler({ ...delivery, ...change(delivery) }));

/** What ended too late is put into the queue again. */
const reviving = (queue: BrokerQueue): Partial<BrokerQueue> => ({
  consume: (handler, options) =>
    queue.consume(handler, {
      ...options,
      onSettled(delivery, how) {
        if (how === "stale") void queue.publish([{ body: delivery.body as Message["body"] }]);
        options.onSettled(delivery, how);
      },
    }),
});

/** Looks whether an id is known, and writes it down a moment later. */
const racing = (queue: BrokerQueue): Partial<BrokerQueue> => {
  const known = new Set<string | undefined>();
  return {
    async publish(messages) {
      const fresh = messages.filter(({ id }) => !known.has(id));
      await sleep(5);
      const published = await queue.publish(fresh.map(({ id: _, ...rest }) => rest));
      for (const { id } of fresh) if (id !== undefined) known.add(id);
      return published.map(({ id }, i) => ({ id: fresh[i]?.id ?? id }));
    },
  };
};

/** What it has taken as done comes again, once. */
const repeating = (queue: BrokerQueue): Partial<BrokerQueue> => {
  let repeated = false;
  return {
    consume: (handler, options) =>
      queue.consume(handler, {
        ...options,
        onSettled(delivery, how) {
          if (!repeated && how === "applied") void queue.publish([{ body: delivery.body as Message["body"] }]);
          repeated = true;
          options.onSettled(delivery, how);
        },
      }),
  };
};

const alike = new Map<string, BrokerQueue>();

/** Names are compared without regard to upper and lower case. */
const folding = (queue: BrokerQueue, name: string): Partial<BrokerQueue> => {
  const first = alike.get(name.toLowerCase()) ?? queue;
  alike.set(name.toLowerCase(), first);
  return first;
};

const consumers = new Map<string, Set<Consumer>>();

/** Consumers of one queue share a connection, and the first that closes takes it with it. */
const sharing = (queue: BrokerQueue, name: string): Partial<BrokerQueue> => ({
  async consume(handler, options) {
    const consumer = await queue.consume(handler, options);
    const all = consumers.get(name) ?? new Set();
    consumers.set(name, all.add(consumer));
    return { ...consumer, close: async (how) => void (await Promise.all([...all].map((each) => each.close(how)))) };
  },
});

const refusing = (refuses: (name: string) => boolean) => (queue: BrokerQueue, name: string) =>
  refuses(name) ? { publish: () => Promise.reject(new Error("no such name")) } : queue;

/** A rescue that asks for the time only. */
function takingAtOnce(queue: BrokerQueue): Partial<BrokerQueue> {
  let renewedAt = performance.now();
  let again = () => {};
  return {
    async consume(handler, options) {
      const taking: typeof handler = (delivery) => {
        again = () => void handler({ ...delivery, crashes: 1 });
        return handler(delivery);
      };
      const consumer = await queue.consume(taking, options);
      return {
        ...consumer,
        async renew() {
          await consumer.renew?.();
          renewedAt = performance.now();
        },
      };
    },
    async maintain(signal) {
      if (performance.now() - renewedAt > 500) again();
      await queue.maintain?.(signal);
    },
  };
}

let cancelled = new Set<string>();

export const processFaults = {
  "counts attempts in its process": durableFault(
    "a retry that waits keeps its attempt when its process is killed",
    counting(),
  ),
  "forgets the attempt in a crash": durableFault(
    "a crash keeps the attempt that earlier failures had reached",
    seenAs(({ attempt, crashes = 0 }) => (crashes > 0 ? { attempt: 1 } : { attempt })),
  ),
  "counts no crashes": durableFault(
    "a crash in the second attempt counts as a crash, not as an attempt",
    seenAs(() => ({ crashes: 0 })),
  ),
  "takes a lease that lapsed at once": durableFault(
    "a lease that lapsed while the server stood still is its holder's to renew, before others get it",
    takingAtOnce,
  ),
  "delivers again what ended too late": durableFault(
    "a process that slept through its lease ends its run too late: it changes nothing",
    reviving,
  ),
  "takes what ended too late for an end in time": durableFault(
    "three processes, one stopped for many leases and let go again: nothing is done twice",
    consuming(
      () => ({}),
      (options) => ({ ...options, onSettled: (delivery) => options.onSettled(delivery, "applied") }),
    ),
  ),
  "delivers again what it has taken as done": durableFault(
    "three processes, one stopped for many leases and let go again: nothing is done twice",
    repeating,
  ),
  "counts a forced stop as an attempt": durableFault(
    "a process that stops before its run has ended uses up no attempt",
    seenAs(({ attempt, crashes = 0 }) => ({ attempt: attempt + crashes })),
  ),
  "answers a large call out of order": fault("a thousand published in one call answer their ids in order", (queue) => ({
    async publish(messages) {
      const published = await queue.publish(messages);
      return messages.length < 100 ? published : [...published].reverse();
    },
  })),
  "loses what is beyond two hundred": fault("three hundred results are waited for at once", (queue) => ({
    publish: async (messages) => [
      ...(await queue.publish(messages.slice(0, 200))),
      ...messages.slice(200).map((_, i) => ({ id: `lost-${i}` })),
    ],
  })),
  "knows an id too late": fault("a task id that is published twenty times at once is published once", racing),
  "closes what another broker consumes": durableFault(
    "two brokers of one process share a queue, and one goes on without the other",
    sharing,
  ),
  "loses large bodies": fault(
    "a body of 3 MB arrives whole, or is refused and not sent",
    publishing((messages) => messages.map((each) => (sizeOf(each.body) > large ? { ...each, body: {} } : each))),
  ),
  "runs what has a large result again": fault(
    "a result of 3 MB arrives whole, or its waiter hears why, and the task runs once",
    settling((settlement) =>
      settlement.outcome === "done" && sizeOf(settlement.result) > large
        ? { outcome: "postponed", delayMs: 0 }
        : settlement,
    ),
  ),
  "is not told of new messages": durableFault(
    "a message of another process reaches an idle consumer within two seconds",
    handling((handler) => async (delivery) => {
      await sleep(2_400);
      return handler(delivery);
    }),
  ),
  "trims ids": fault(
    "a task id comes back as it was given, or is refused before anything is sent",
    publishing((messages) => messages.map((each) => (each.id === undefined ? each : { ...each, id: each.id.trim() }))),
  ),
  "fails at odd names": fault(
    "a queue name works as it is, or is refused with BAD_QUEUE",
    refusing((name) => name.includes("/")),
  ),
  "has no room for dead letters": fault(
    "a queue with the longest name that is taken has dead letters too",
    refusing((name) => name.endsWith("q_dlx")),
  ),
  "folds names": fault("queues whose names are alike do not mix", folding),
  "cancels twice": fault("a cancelled message does not run, and its waiter hears of it", (queue) => ({
    async cancel(ids) {
      cancelled = new Set([...cancelled, ...((await queue.cancel?.(ids)) ?? [])]);
      return ids.filter((id) => cancelled.has(id));
    },
  })),
  "holds its process after close": fault(
    "a process that has closed its consumer ends by itself",
    consuming((consumer) => ({ close: (how) => consumer.close(how).then(() => void setInterval(() => {}, 10_000)) })),
  ),
  "holds its process after a publish": fault("a process that only publishes ends by itself", (queue) => ({
    publish: (messages) => queue.publish(messages).finally(() => setInterval(() => {}, 10_000)),
  })),
} satisfies Record<string, Fault>;
