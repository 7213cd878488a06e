/** Events on diagnostics_channel: every channel that is documented is told, with its fields; without a listener nothing is made for one. */
import { Channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import {
  boost,
  concurrencyPool,
  configure,
  fct,
  RetryError,
  shutdown,
  type TaskParams,
  withLock,
  wrapBroker,
} from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Clock, setClock } from "../../src/base/clock.ts";
import { maintaining, points, publishing, tell } from "../../src/base/events.ts";
import type { Broker, Delivery, Store } from "../../src/contract/index.ts";
import { takeLease } from "../../src/store/lease.ts";
import { gate } from "../conformance/until.ts";
import { quickClock } from "../support/quick-clock.ts";

configure({ signals: false, log: { level: "silent" }, lease: 400, store: memoryStore() });

const long = { timeout: 10_000 };
const text = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

/** Name and fields, as the header of src/base/events.ts lists them. */
const listed = new Map(
  [...(text("src/base/events.ts").split("*/")[0] as string).matchAll(/^ \* - ([\w:]+) \{ ([\w ]+) \}/gm)].map(
    ([, name, fields]) => [name, fields?.split(" ")],
  ),
);
const spans = ["publish", "fetch", "run", "settle", "store", "maintain"];
const channels = [...listed.keys()].flatMap((name) =>
  spans.includes(name as string) ? ["start", "end", "error"].map((end) => `${name}:${end}`) : [`${name}`],
);

type Message = Record<string, unknown>;
type Heard = { readonly name: string; readonly message: Message }[];
const stops: (() => void)[] = [];
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
  for (const stop of stops.splice(0)) stop();
});

/** All messages of these channels, in order. */
function listen(names: readonly string[] = channels): Heard {
  const heard: Heard = [];
  for (const name of names) {
    const on = (message: unknown) => void heard.push({ name, message: { ...(message as Message) } });
    subscribe(`funboost:${name}`, on);
    stops.push(() => unsubscribe(`funboost:${name}`, on));
  }
  return heard;
}

const has = (heard: Heard, name: string) => () => heard.some((each) => each.name === name);

let made = 0;
const queue = () => `events.${++made}`;

function task(params: Omit<TaskParams, "queue" | "broker">, broker: Broker, fn: (n: number) => unknown) {
  return boost({ queue: queue(), broker, maxRetries: 0, ...params } as TaskParams, (n: number) => fn(n));
}

/** With a store some of whose calls are replaced. */
function withCalls(change: (store: Store) => Partial<Store>): Broker {
  const broker = memory();
  return {
    ...broker,
    store: async () => ((store) => ({ ...store, ...change(store) }))(await (broker.store as () => Promise<Store>)()),
  };
}

const fail = async () => {
  throw new Error("no");
};

/** What each part tells: the channel, and the fields of one of its messages. */
const parts: Readonly<
  Record<string, { readonly tells: Readonly<Record<string, string>>; run(heard: Heard): Promise<unknown> }>
> = {
  "a task from publish to settlement": {
    tells: {
      "broker:opened": "queue broker features",
      "consumer:ready": "queue broker",
      "publish:start": "queue broker count",
      "publish:end": "queue broker count ids elapsedMs",
      "fetch:start": "queue broker window",
      "fetch:end": "queue broker window count ids elapsedMs",
      "run:start": "queue broker taskId attempt waitMs",
      "run:end": "queue broker taskId attempt waitMs outcome runMs",
      "settle:start": "queue broker taskId attempt",
      "settle:end": "queue broker taskId attempt outcome settleMs",
      "store:start": "store call",
      "store:end": "store call elapsedMs",
      "consumer:closing": "queue broker",
      "consumer:closed": "queue broker orphanedIds elapsedMs",
    },
    async run() {
      const job = task({ rpc: true }, memory(), (n) => n);
      const consumer = await job.consume();
      await (await job.push(1)).waitResult();
      await consumer.close();
    },
  },
  "failures, dead letters and known ids": {
    tells: {
      "run:end": "queue broker taskId attempt waitMs outcome runMs error",
      deadletter: "queue broker taskId attempt error",
      duplicate: "queue broker taskId",
    },
    async run(heard) {
      const job = task({ deadLetter: true }, memory(), fail);
      await job.publish([1], { taskId: "one" });
      await job.publish([1], { taskId: "one" });
      await job.consume();
      await expect.poll(has(heard, "run:end")).toBe(true);
    },
  },
  "a publish and a fetch that fail": {
    tells: {
      "publish:error": "queue broker count elapsedMs error",
      "fetch:error": "queue broker window elapsedMs error",
    },
    async run(heard) {
      const broker = wrapBroker(memory(), (inner) => ({
        publish: fail,
        consume(handler, options) {
          setImmediate(() => options.onError(new Error("no connection")));
          return inner.consume(handler, options);
        },
      }));
      const job = task({}, broker, () => {});
      await job.consume();
      await expect(job.push(1)).rejects.toThrow("no");
      await expect.poll(has(heard, "fetch:error")).toBe(true);
    },
  },
  "a run that cannot be settled": {
    tells: { "run:error": "queue broker taskId attempt waitMs runMs error" },
    async run(heard) {
      const broken: Clock = {
        ...quickClock((ms) => ms),
        now() {
          setClock();
          throw new Error("a fault of our own");
        },
      };
      let runs = 0;
      const job = task({}, memory(), () => {
        if (++runs === 1) setClock(broken);
      });
      await job.consume();
      await job.push(1);
      await expect.poll(has(heard, "run:error")).toBe(true);
    },
  },
  "a settlement that is never carried out": {
    tells: { "settle:error": "queue broker taskId attempt settleMs error" },
    async run(heard) {
      const broker = wrapBroker(memory(), (inner) => ({
        consume: (handler, options) => inner.consume(handler, { ...options, onSettled() {} }),
      }));
      const job = task({}, broker, () => {});
      const consumer = await job.consume();
      await job.push(1);
      await expect.poll(has(heard, "settle:start")).toBe(true);
      await consumer.close();
    },
  },
  "a store that fails": {
    tells: { "store:error": "store call elapsedMs error" },
    async run() {
      const job = task(
        {},
        withCalls(() => ({ increment: fail })),
        () => {},
      );
      const consumer = await job.consume();
      await consumer.close();
    },
  },
  maintenance: {
    tells: {
      "maintain:start": "queue broker",
      "maintain:end": "queue broker elapsedMs",
      "maintain:error": "queue broker elapsedMs error",
    },
    async run(heard) {
      let times = 0;
      const broker = wrapBroker(memory(), () => ({ maintain: async () => (++times === 2 ? fail() : undefined) }));
      await task({}, broker, () => {}).consume();
      await expect.poll(has(heard, "maintain:error"), long).toBe(true);
    },
  },
  "pauses, limits and what holds": {
    tells: {
      "queue:paused": "queue broker",
      "queue:resumed": "queue broker",
      "queue:limits": "queue broker qps",
      "control:held": "queue broker control heldMs",
    },
    async run(heard) {
      const job = task({}, memory(), () => {});
      await job.consume();
      await job.pause();
      await expect.poll(has(heard, "queue:paused"), long).toBe(true);
      expect(heard.filter(({ name }) => name === "control:held").map(({ message }) => message.control)).toEqual([
        "paused",
      ]);
      await job.resume();
      await expect.poll(has(heard, "queue:resumed"), long).toBe(true);
      expect(heard.filter(({ name }) => name === "control:held").map(({ message }) => message.control)).toEqual([
        "paused",
        undefined,
      ]);
      await job.setQps(7);
      await expect.poll(has(heard, "queue:limits"), long).toBe(true);
    },
  },
  "a live concurrency": {
    tells: { "queue:limits": "queue broker concurrency" },
    async run(heard) {
      const job = task({}, memory(), () => {});
      await job.consume();
      await job.setConcurrency(3);
      await expect.poll(has(heard, "queue:limits"), long).toBe(true);
    },
  },
  "a run that does not end": {
    tells: { "run:stuck": "queue broker taskId attempt reason" },
    async run(heard) {
      const door = gate();
      const job = task({ timeout: 10 }, memory(), () => door.opened);
      await job.consume();
      setClock(hurried);
      await job.push(1);
      await expect.poll(has(heard, "run:stuck"), long).toBe(true);
      door.open();
    },
  },
  "a delivery that was lost with its process": {
    tells: { "run:crashed": "queue broker taskId attempt crashes" },
    async run(heard) {
      const lost = (delivery: Delivery) => ({ ...delivery, crashes: 1 });
      const broker = wrapBroker(memory(), (inner) => ({
        consume: (handler, options) => inner.consume((delivery) => handler(lost(delivery)), options),
      }));
      const job = task({ maxRetries: 1, backoff: 0 }, broker, () => {
        if (fct.attempt === 1) throw new Error("no");
      });
      await job.consume();
      await job.push(1);
      await expect.poll(() => heard.filter(({ name }) => name === "run:end").length).toBe(2);
      expect(heard.filter(({ name }) => name === "run:crashed")).toHaveLength(1);
    },
  },
  leases: {
    tells: { "lease:acquired": "name owner fence", "lease:lost": "name owner fence" },
    async run(heard) {
      const store = memoryStore();
      const lease = await takeLease(
        { ...store, lease: async (...asked) => (asked[3] === undefined ? store.lease(...asked) : null) },
        options,
      );
      await expect.poll(has(heard, "lease:lost"), long).toBe(true);
      await lease?.release();
    },
  },
  "notices that are lost and come back": {
    tells: { "notice:switch": "queue broker to" },
    async run(heard) {
      const broker = withCalls((store) => ({
        async subscribe(name, listener, onSwitch) {
          setImmediate(() => onSwitch?.("poll"));
          setImmediate(() => onSwitch?.("notices"));
          return store.subscribe(name, listener);
        },
      }));
      await task({}, broker, () => {}).consume();
      await expect
        .poll(() => heard.filter(({ name }) => name === "notice:switch").map(({ message }) => message.to))
        .toEqual(["poll", "notices"]);
    },
  },
};

const options = { name: "duty", ttlMs: 300, what: "the duty" };
/** Timers ten times as fast. */
const hurried = quickClock((ms) => ms / 10);

const fieldsOf = (message: Message) =>
  Object.entries(message)
    .filter(([, value]) => value !== undefined)
    .map(([key]) => key);

describe("events", () => {
  it.each(Object.keys(parts))("tell of %s", { timeout: 20_000 }, async (name) => {
    const { tells, run } = parts[name] as (typeof parts)[string];
    const heard = listen();
    await run(heard);
    for (const [channel, fields] of Object.entries(tells)) {
      const found = heard
        .filter((each) => each.name === channel)
        .map(({ message }) => fieldsOf(message).sort().join(" "));
      expect(found, channel).toContain(fields.split(" ").sort().join(" "));
    }
    for (const { name: channel, message } of heard) {
      const allowed = listed.get(channel) ?? listed.get(channel.split(":")[0] as string);
      expect(allowed, channel).toEqual(expect.arrayContaining(Object.keys(message)));
    }
  });

  it("are all documented, with their fields, and all tried above", () => {
    const tried = Object.values(parts).flatMap(({ tells }) => Object.entries(tells));
    expect([...new Set(tried.map(([channel]) => channel))].sort()).toEqual([...channels].sort());
    for (const [name, fields] of listed) {
      const ours = spans.includes(name as string) ? ["start", "end", "error"].map((end) => `${name}:${end}`) : [name];
      const own = tried.filter(([channel]) => ours.includes(channel));
      expect([...new Set(own.flatMap(([, told]) => told.split(" ")))].sort(), name).toEqual([...(fields ?? [])].sort());
    }
    const named = [...Object.values(points), ...Object.values(publishing), ...Object.values(maintaining)].map(
      ({ name }) => String(name).slice(9),
    );
    expect(channels).toEqual(expect.arrayContaining(named));
    const section = text("docs/controls.md").split("\n## Events")[1]?.split("\n## ")[0] ?? "";
    const rows = new Map(
      [...section.matchAll(/^\| `funboost:([\w:]+)`[^|]*\| `([\w ]+)`/gm)].map(([, name, fields]) => [name, fields]),
    );
    expect(rows).toEqual(new Map([...listed].map(([name, fields]) => [name, fields?.join(" ")])));
  });

  it("come in this order", async () => {
    const heard = listen(channels.filter((name) => !name.startsWith("store:")));
    const job = task({ rpc: true }, memory(), (n) => n);
    const consumer = await job.consume();
    await (await job.push(1)).waitResult();
    await consumer.close();
    expect(heard.map(({ name }) => name).filter((name) => !name.startsWith("fetch"))).toEqual([
      "broker:opened",
      "consumer:ready",
      "publish:start",
      "publish:end",
      "run:start",
      "run:end",
      "settle:start",
      "settle:end",
      "consumer:closing",
      "consumer:closed",
    ]);
    expect(heard.find(({ name }) => name === "run:end")?.message).toMatchObject({ outcome: "done", attempt: 1 });
    expect(heard.find(({ name }) => name === "settle:end")?.message.outcome).toBe("applied");
    expect(heard.filter(({ name }) => name === "fetch:end").map(({ message }) => message.count)).toContain(1);
  });

  it("that nobody heard to their end are not told later", async () => {
    const door = gate();
    const settled = gate();
    const broker = wrapBroker(memory(), (inner) => ({
      consume: (handler, options) =>
        inner.consume(handler, {
          ...options,
          onSettled: (...how) => void settled.opened.then(() => options.onSettled(...how)),
        }),
    }));
    const job = task({}, broker, () => door.opened);
    const heard = listen(["settle:start", "settle:error"]);
    const consumer = await job.consume();
    await job.push(1);
    door.open();
    await expect.poll(has(heard, "settle:start")).toBe(true);
    for (const stop of stops.splice(0)) stop();
    settled.open();
    await settled.opened;
    const later = listen(["settle:start", "settle:end", "settle:error"]);
    await consumer.close();
    expect(later).toEqual([]);
  });

  it("tell that a consumer has closed, also when its engine could not", async () => {
    const broker = wrapBroker(memory(), (inner) => ({
      consume: async (...how) => ({ ...(await inner.consume(...how)), close: fail }),
    }));
    const heard = listen(["consumer:closed"]);
    const consumer = await task({}, broker, () => {}).consume();
    await expect(consumer.close()).rejects.toThrow("no");
    expect(heard).toHaveLength(1);
  });

  it("say which control holds: the pool, the limit, slowDown", { timeout: 20_000 }, async () => {
    const heard = listen(["control:held"]);
    const controls = (name: string) =>
      heard.filter(({ message }) => message.queue === name).map(({ message }) => message.control);
    const door = gate();
    const pool = concurrencyPool(1);
    const broker = memory();
    const first = task({ pool }, broker, () => door.opened);
    const second = task({ pool }, broker, () => {});
    const limited = task({ qps: 0.01 }, broker, () => {});
    const slowed = task({}, broker, () => fct.slowDown("1h"));
    await Promise.all([first, second, limited, slowed].map((each) => each.consume()));
    await first.push(1);
    await second.push(1);
    await limited.pushMany([[1], [2]]);
    await slowed.push(1);
    await expect
      .poll(() => [second, limited, slowed].map((each) => controls(each.queue)), long)
      .toEqual([["pool"], ["qps"], ["slowDown"]]);
    expect(controls(first.queue)).toEqual([]);
    door.open();
    await expect.poll(() => controls(second.queue), long).toEqual(["pool", undefined]);
  });

  it("without a listener are not made", async () => {
    const published = vi.spyOn(Channel.prototype, "publish");
    const fields = vi.fn(() => ({}));
    tell(points.paused, fields);
    const job = task({ rpc: true, maxRetries: 1, backoff: 0 }, memory(), () => {
      if (fct.attempt === 1) throw new RetryError();
    });
    const consumer = await job.consume();
    await (await job.push(1)).waitResult();
    await withLock("events", { ttl: "10s" }, async () => {});
    await consumer.close();
    expect([published.mock.calls.length, fields.mock.calls.length]).toEqual([0, 0]);
    const heard = listen(["run:end"]);
    await job.consume();
    await (await job.push(2)).waitResult();
    expect([has(heard, "run:end")(), fields.mock.calls.length]).toEqual([true, 0]);
  });
});
