/**
 * What only SQLite promises: its file, its places, its leases between processes, its news. The kit covers the contract.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Libsql from "libsql";
import { afterEach, describe, expect, it } from "vitest";
import { defaultFile, sqlite } from "../../../adapters/sqlite/broker.ts";
import { jsonText, openFile, type SqliteDriver } from "../../../adapters/sqlite/file.ts";
import { part, prune, pruneLimit } from "../../../adapters/sqlite/store-sql.ts";
import { sleep } from "../../../src/base/clock.ts";
import type { Broker, BrokerQueue, Consumer, Delivery, Settlement } from "../../../src/contract/index.ts";

const folder = () => mkdtempSync(join(tmpdir(), "funboost-sqlite-"));
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function make(file = join(folder(), "queue.db")): Broker {
  const broker = sqlite({ file });
  closers.push(() => broker.close());
  return broker;
}

const openQueue = (broker = make(), queue = "q", leaseMs = 1000) => broker.open({ queue, options: {}, leaseMs });
const done: Settlement = { outcome: "done" };

interface Taken {
  readonly consumer: Consumer;
  readonly deliveries: Delivery[];
  readonly settled: string[];
  readonly errors: Error[];
  count(n: number): Promise<void>;
}

async function take(
  queue: BrokerQueue,
  answer: (delivery: Delivery) => Settlement | Promise<Settlement> = () => done,
  window = 100,
): Promise<Taken> {
  const deliveries: Delivery[] = [];
  const settled: string[] = [];
  const errors: Error[] = [];
  const handler = async (delivery: Delivery) => {
    deliveries.push(delivery);
    return answer(delivery);
  };
  const consumer = await queue.consume(handler, {
    signal: true,
    onSettled: ({ id }, how) => void settled.push(`${id} ${how}`),
    onError: (error) => void errors.push(error),
  });
  consumer.setWindow(window);
  return { consumer, deliveries, settled, errors, count: (n) => until(() => settled.length >= n) };
}

async function until(holds: () => boolean | Promise<boolean>, ms = 5000): Promise<void> {
  for (const end = performance.now() + ms; !(await holds()); ) {
    if (performance.now() > end) throw new Error(`still not after ${ms} ms: ${holds}`);
    await sleep(2);
  }
}

const ids = (list: readonly { readonly id: string }[]) => list.map(({ id }) => id);
const message = (id: string, more: object = {}) => ({ id, body: { id }, ...more });

describe("order", () => {
  it("is priority, then age; what is ahead comes first, last in first out", async () => {
    const queue = await openQueue();
    await queue.publish([
      message("a"),
      message("b"),
      message("high", { priority: 5 }),
      message("low", { priority: -5 }),
      message("child1", { ahead: true }),
    ]);
    await queue.publish([message("c"), message("child2", { ahead: true })]);
    expect(ids((await queue.peek?.(10)) ?? [])).toEqual(["child2", "child1", "high", "a", "b", "c", "low"]);
    const { deliveries, count } = await take(queue, undefined, 1);
    await count(7);
    expect(ids(deliveries)).toEqual(["child2", "child1", "high", "a", "b", "c", "low"]);
    expect(deliveries.map(({ ahead }) => ahead)).toEqual([true, true, false, false, false, false, false]);
    expect(await queue.count?.()).toEqual({ ready: 0, delayed: 0, running: 0 });
  });

  it("puts what was put off behind what waits, and what was returned at its old place", async () => {
    const queue = await openQueue();
    await queue.publish(["a", "b", "c", "d"].map((id) => message(id)));
    const first = new Map<string, Settlement>([
      ["a", { outcome: "retry", delayMs: 0, error: new Error("no") }],
      ["b", { outcome: "postponed", delayMs: 0 }],
      ["c", { outcome: "returned" }],
    ]);
    const answer = ({ id }: Delivery) => {
      const settlement = first.get(id) ?? done;
      first.delete(id);
      return settlement;
    };
    const { deliveries, count } = await take(queue, answer, 1);
    await count(7);
    expect(deliveries.map(({ id, attempt }) => id + attempt)).toEqual(["a1", "b1", "c1", "c1", "d1", "a2", "b1"]);
  });

  it("delivers a delayed message behind what waits, not early and not late", async () => {
    const queue = await openQueue();
    const started = performance.now();
    await queue.publish([message("later", { delayMs: 150 }), message("now")]);
    expect(await queue.count?.()).toEqual({ ready: 1, delayed: 1, running: 0 });
    expect(await queue.state?.("later")).toBe("delayed");
    const at = new Map<string, number>();
    const { count } = await take(queue, ({ id }) => {
      at.set(id, performance.now() - started);
      return done;
    });
    await count(2);
    expect(at.get("now")).toBeLessThan(100);
    expect(at.get("later")).toBeGreaterThanOrEqual(149);
    expect(at.get("later")).toBeLessThan(200);
  });
});

describe("messages", () => {
  it("are text, exactly: also NUL, half a surrogate pair, 100 kB", async () => {
    const queue = await openQueue();
    const bodies = [
      "plain",
      'a"\\\u0000\n',
      "half \ud800 pair",
      { text: "NUL \u0000, half \udc00, 😀", nested: [[1, null, true]] },
      42,
      null,
      ["x"],
      "é".repeat(50_000),
    ];
    await queue.publish(bodies.map((body, index) => ({ id: `${index}`, body })));
    const { deliveries, count } = await take(queue);
    await count(bodies.length);
    expect(deliveries.slice(0, 3).map(({ body }) => body)).toEqual(["plain", 'a"\\\u0000\n', "half � pair"]);
    expect(deliveries.slice(3, 7).map(({ body }) => JSON.parse(body as string))).toEqual(bodies.slice(3, 7));
    expect(deliveries[7]?.body).toBe(bodies[7]);
  });

  it("of 100 kB are taken in parts, and all arrive", async () => {
    const queue = await openQueue();
    await queue.publish(Array.from({ length: 60 }, (_, index) => ({ id: `${index}`, body: "x".repeat(100_000) })));
    const { deliveries, count } = await take(queue);
    await count(60);
    expect(ids(deliveries)).toEqual(Array.from({ length: 60 }, (_, index) => `${index}`));
  });

  it("are known by their ids while they wait or run", async () => {
    const queue = await openQueue();
    const [, second, third] = await queue.publish([message("a"), message("a"), message("b")]);
    expect([second, third]).toEqual([{ id: "a", existing: true }, { id: "b" }]);
    expect(await queue.publish([message("a")])).toEqual([{ id: "a", existing: true }]);
    const other = await openQueue(undefined, "other");
    expect(await other.publish([message("a")])).toEqual([{ id: "a" }]);
    const { count } = await take(queue);
    await count(2);
    expect(await queue.state?.("a")).toBe("unknown");
    expect(await queue.publish([message("a")])).toEqual([{ id: "a" }]);
  });

  it("get ordered ids where they have none, and keep what an emulation carries over", async () => {
    const queue = await openQueue();
    const [one, two] = await queue.publish([{ body: {} }, { body: {}, attempt: 3, publishedAt: 1234 }]);
    expect((one?.id ?? "") < (two?.id ?? "")).toBe(true);
    const { deliveries, count } = await take(queue);
    await count(2);
    expect(deliveries[1]).toMatchObject({ id: two?.id, attempt: 3, publishedAt: 1234, crashes: 0 });
    expect(Math.abs((deliveries[0]?.publishedAt ?? 0) - Date.now())).toBeLessThan(5000);
  });

  it("can be cancelled, put off, cleared, while they wait", async () => {
    const queue = await openQueue();
    await queue.publish([
      message("a"),
      message("b", { delayMs: 60_000 }),
      message("c"),
      message("d", { delayMs: 60_000 }),
    ]);
    expect(await queue.cancel?.(["a", "d", "nope"])).toEqual(expect.arrayContaining(["a", "d"]));
    expect(await queue.reschedule?.("nope", { delayMs: 0 })).toBe(false);
    expect(await queue.reschedule?.("b", { delayMs: 0 })).toBe(true);
    expect(await queue.count?.()).toEqual({ ready: 2, delayed: 0, running: 0 });
    expect(ids((await queue.peek?.(5)) ?? [])).toEqual(["c", "b"]);
    await queue.clear?.();
    expect(await queue.count?.()).toEqual({ ready: 0, delayed: 0, running: 0 });
  });
});

/** Gives back what has lapsed: noted first, taken when its holder has had time to renew. */
async function rescue(queue: BrokerQueue, leaseMs: number): Promise<void> {
  await queue.maintain?.(new AbortController().signal);
  await sleep(0.6 * leaseMs);
  await queue.maintain?.(new AbortController().signal);
}

describe("leases", () => {
  it("that ended give the message back to the front, one crash more; the late settlement is stale", async () => {
    const file = join(folder(), "queue.db");
    const queue = await openQueue(make(file), "q", 100);
    await queue.publish([message("a"), message("b")]);
    const ends: ((settlement: Settlement) => void)[] = [];
    const slow = await take(queue, () => new Promise((resolve) => ends.push(resolve)), 1);
    await until(() => slow.deliveries.length === 1);
    await queue.maintain?.(new AbortController().signal);
    expect(await queue.state?.("a")).toBe("running");
    slow.consumer.setWindow(0);
    await sleep(150);
    await rescue(queue, 100);
    const other = await take(await openQueue(make(file), "q", 1000));
    await other.count(2);
    expect(other.deliveries.map(({ id, crashes, attempt }) => [id, crashes, attempt])).toEqual([
      ["a", 1, 1],
      ["b", 0, 1],
    ]);
    await slow.consumer.renew?.();
    expect(slow.deliveries[0]?.signal?.aborted).toBe(true);
    ends[0]?.(done);
    await slow.count(1);
    expect(slow.settled).toEqual(["a stale"]);
  });

  it("that are renewed hold", async () => {
    const queue = await openQueue(undefined, "q", 100);
    await queue.publish([message("a")]);
    let end = (_: Settlement) => {};
    const slow = await take(queue, () => new Promise<Settlement>((resolve) => (end = resolve)));
    for (let turn = 0; turn < 8; turn += 1) {
      await sleep(30);
      await slow.consumer.renew?.();
      await queue.maintain?.(new AbortController().signal);
    }
    end(done);
    await slow.count(1);
    expect(slow.settled).toEqual(["a applied"]);
  });

  it("that lapsed while the file was locked hold: a rescue leaves their holders time to renew", async () => {
    const leaseMs = 400;
    const file = join(folder(), "queue.db");
    const queue = await openQueue(make(file), "q", leaseMs);
    const rescuer = await openQueue(make(file), "q", leaseMs);
    await queue.publish([message("a")]);
    let end = (_: Settlement) => {};
    const slow = await take(queue, () => new Promise<Settlement>((resolve) => (end = resolve)));
    await until(() => slow.deliveries.length === 1);
    for (let standstill = 0; standstill < 2; standstill++) {
      const other = new Libsql(file);
      other.exec("begin immediate");
      await sleep(1.5 * leaseMs);
      other.exec("commit");
      other.close();
      await rescuer.maintain?.(new AbortController().signal); // the second time its note is from before
    }
    await slow.consumer.renew?.();
    await rescue(rescuer, leaseMs);
    expect(slow.deliveries).toHaveLength(1);
    end(done);
    await slow.count(1);
    expect(slow.settled).toEqual(["a applied"]);
  });

  it("a forced close leaves what ran to others, and lets nothing be acknowledged later", async () => {
    const queue = await openQueue(undefined, "q", 100);
    await queue.publish([message("a")]);
    let end = (_: Settlement) => {};
    const slow = await take(queue, () => new Promise<Settlement>((resolve) => (end = resolve)));
    await until(() => slow.deliveries.length === 1);
    await slow.consumer.close({ force: true });
    end(done);
    await until(() => slow.settled.length === 1);
    expect(slow.settled).toEqual(["a stale"]);
    await sleep(150);
    await rescue(queue, 100);
    const next = await take(queue);
    await next.count(1);
    expect(next.deliveries[0]).toMatchObject({ id: "a", crashes: 1, attempt: 1 });
  });
});

describe("consumers", () => {
  it("never hold more than their window, and hand out nothing while paused", async () => {
    const queue = await openQueue();
    await queue.publish(Array.from({ length: 200 }, (_, index) => message(`${index}`)));
    let running = 0;
    let peak = 0;
    const { consumer, deliveries, count } = await take(
      queue,
      async () => {
        peak = Math.max(peak, ++running);
        await sleep(1);
        running -= 1;
        return done;
      },
      0,
    );
    await sleep(20);
    expect(deliveries).toHaveLength(0);
    consumer.setWindow(7);
    await count(100);
    await queue.setPaused?.(true);
    await until(() => consumer.status().held.length === 0);
    const before = deliveries.length;
    await sleep(50);
    expect(deliveries).toHaveLength(before);
    expect(await queue.paused?.()).toBe(true);
    await queue.setPaused?.(false);
    await count(200);
    expect(peak).toBe(7);
  });

  it("close waits for what runs, flushes, and gives the rest back", async () => {
    const broker = make();
    const queue = await openQueue(broker);
    await queue.publish(Array.from({ length: 10 }, (_, index) => message(`${index}`)));
    const { consumer, deliveries, settled } = await take(queue, () => sleep(50).then(() => done), 3);
    await until(() => deliveries.length === 3);
    await Promise.all([consumer.close(), consumer.close()]);
    expect(settled).toEqual(["0 applied", "1 applied", "2 applied"]);
    expect(await queue.count?.()).toEqual({ ready: 7, delayed: 0, running: 0 });
    await queue.close();
    await expect(queue.publish([message("x")])).rejects.toMatchObject({ code: "SHUT_DOWN" });
    await broker.close();
    await broker.close();
    expect(await (await openQueue(broker)).count?.()).toEqual({ ready: 7, delayed: 0, running: 0 });
  });

  it("are woken by another connection's publish", async () => {
    const file = join(folder(), "queue.db");
    const { deliveries } = await take(await openQueue(make(file)));
    const { default: Database } = (await import("libsql")) as unknown as {
      default: new (file: string) => { exec(sql: string): void };
    };
    const foreign = new Database(file);
    await sleep(30);
    const at = performance.now();
    foreign.exec(`insert into funboost_message (queue, id, rank, due, attempt, published_at, body)
      values (1, 'x', 0, 0, 1, 0, '{}')`);
    await until(() => deliveries.length === 1);
    expect(performance.now() - at).toBeLessThan(100);
  });

  it("wait for a lock of another process without blocking the event loop", async () => {
    const file = join(folder(), "queue.db");
    const queue = await openQueue(make(file));
    const { default: Database } = (await import("libsql")) as unknown as {
      default: new (file: string) => { exec(sql: string): void };
    };
    const foreign = new Database(file);
    foreign.exec("begin immediate");
    let lag = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      lag = Math.max(lag, performance.now() - last - 5);
      last = performance.now();
    }, 5);
    const published = queue.publish([message("a")]);
    await sleep(500);
    foreign.exec("commit");
    expect(await published).toEqual([{ id: "a" }]);
    clearInterval(timer);
    expect(lag).toBeLessThan(100);
  });
});

describe("pruning", () => {
  it("removes lists that have expired, however many and long, in small steps", async () => {
    const file = await openFile(Libsql as unknown as SqliteDriver, join(folder(), "store.db"), "normal", part);
    closers.push(() => file.release());
    const count = (table: string) => file.get<{ n: number }>(`select count(*) as n from ${table}`)?.n;
    const items = jsonText(Array.from({ length: 2_500 }, (_, i) => i));
    await file.write(() => {
      for (let i = 0; i < 20; i++) {
        file.run("insert into funboost_list (key, next, expires) values (?, 2500, ?)", [`k${i}`, i === 0 ? null : 1]);
        file.run("insert into funboost_list_item (key, n, item) select ?, key, value from json_each(?)", [
          `k${i}`,
          items,
        ]);
      }
    });
    const step = async (statement: string) => {
      const removed = await file.write(() => file.run(statement));
      expect(removed).toBeLessThanOrEqual(pruneLimit);
      return removed >= pruneLimit;
    };
    for (const statement of prune) while (await step(statement));
    expect([count("funboost_list"), count("funboost_list_item")]).toEqual([1, 2_500]);
  });
});

describe("the file", () => {
  it("that cannot be used is refused with its path and advice", async () => {
    const text = join(folder(), "text.txt");
    writeFileSync(text, "no database at all ".repeat(100));
    for (const file of [text, join(text, "below", "queue.db"), "/proc/queue.db", folder()]) {
      const broker = sqlite({ file });
      await expect(broker.open({ queue: "q", options: {}, leaseMs: 1000 })).rejects.toMatchObject({
        code: "BROKER_REFUSED",
      });
      await expect(broker.open({ queue: "q", options: {}, leaseMs: 1000 })).rejects.toThrow(`${JSON.stringify(file)}`);
      await broker.close();
    }
  });

  it("that was deleted while it was open is noticed, and made anew when it is opened again", async () => {
    const file = join(folder(), "queue.db");
    const broker = make(file);
    const queue = await openQueue(broker);
    const { errors, consumer } = await take(queue);
    rmSync(file);
    await until(() => errors.length > 0);
    expect(errors[0]?.message).toContain("deleted or replaced");
    await expect(queue.publish([message("lost")])).rejects.toMatchObject({ code: "BROKER_REFUSED" });
    await consumer.close({ force: true });
    await broker.close();
    expect(await (await openQueue(broker)).publish([message("kept")])).toEqual([{ id: "kept" }]);
  });

  it("of a newer funboost is refused", async () => {
    const file = join(folder(), "queue.db");
    const { default: Database } = (await import("libsql")) as unknown as {
      default: new (file: string) => { exec(sql: string): void };
    };
    new Database(file).exec(`create table funboost_schema (part text primary key, version integer not null);
      insert into funboost_schema values ('broker', 99)`);
    await expect(openQueue(make(file))).rejects.toThrow("newer funboost");
  });

  it("is found at the workspace root, and ignored by git", async () => {
    const root = folder();
    writeFileSync(join(root, "pnpm-workspace.yaml"), "");
    writeFileSync(join(root, "package.json"), "{}");
    const was = process.cwd();
    const { mkdirSync, realpathSync } = await import("node:fs");
    mkdirSync(join(root, "apps", "web"), { recursive: true });
    writeFileSync(join(root, "apps", "web", "package.json"), "{}");
    process.chdir(join(root, "apps", "web"));
    try {
      expect(defaultFile()).toBe(join(realpathSync(root), ".funboost", "queue.db"));
      const broker = sqlite();
      await openQueue(broker);
      await broker.close();
      expect(readFileSync(join(root, ".funboost", ".gitignore"), "utf8")).toBe("*\n");
    } finally {
      process.chdir(was);
    }
  });

  it("options and names are checked", async () => {
    expect(() => sqlite({ fil: "x" } as object)).toThrow('has no option "fil"');
    expect(() => sqlite({ synchronous: "off" } as object)).toThrow('must be "normal" or "full"');
    const broker = make();
    await expect(openQueue(broker, "")).rejects.toMatchObject({ code: "BAD_QUEUE" });
    await expect(openQueue(broker, "x".repeat(201))).rejects.toMatchObject({ code: "BAD_QUEUE" });
    await expect(broker.open({ queue: "q", options: { durable: true }, leaseMs: 1 })).rejects.toMatchObject({
      code: "BAD_OPTION",
    });
    expect(await (await openQueue(broker, "naïve 😀 'queue\"; drop")).count?.()).toEqual({
      ready: 0,
      delayed: 0,
      running: 0,
    });
  });
});
