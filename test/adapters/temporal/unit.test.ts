/** What only Temporal can get wrong, on a server. What needs none lies beside it; all else is in the kit. */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Client, Connection } from "@temporalio/client";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { type TemporalOptions, temporal } from "../../../adapters/temporal/broker.ts";
import { sleep } from "../../../src/base/clock.ts";
import type { Broker, BrokerQueue, Consumer, Delivery, Settlement } from "../../../src/contract/index.ts";
import { proxy } from "../../support/services/proxy.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("temporal");
const address = service.unavailable ? "" : (service.settings?.TEMPORAL_ADDRESS ?? "");
afterAll(() => service.stop());
const run = `t${process.pid}${Date.now().toString(36)}`;
const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
let counter = 0;

async function fresh(
  options: TemporalOptions = {},
  leaseMs = 3_000,
): Promise<{ broker: Broker; queue: BrokerQueue; name: string }> {
  const broker = temporal({ address, ...options });
  ends.push(() => broker.close());
  const name = `${run}-${counter++}`;
  return { broker, name, queue: await broker.open({ queue: name, options: {}, leaseMs }) };
}

async function consume(
  queue: BrokerQueue,
  answer: (delivery: Delivery) => Settlement | Promise<Settlement>,
  window = 1,
) {
  const seen: Delivery[] = [];
  const settled: string[] = [];
  const consumer: Consumer = await queue.consume(
    async (delivery) => {
      seen.push(delivery);
      return answer(delivery);
    },
    { signal: true, onSettled: (_, how) => settled.push(how), onError: () => {} },
  );
  ends.push(() => consumer.close({ force: true }));
  consumer.setWindow(window);
  return { seen, settled, consumer };
}

async function until(what: string, condition: () => unknown, ms = 10_000): Promise<void> {
  for (const end = performance.now() + ms; !(await condition()); await sleep(10)) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
  }
}

async function foreign(): Promise<Client> {
  const connection = await Connection.connect({ address });
  ends.push(() => connection.close());
  return new Client({ connection });
}

/** What a script prints that ends by itself; it has `temporal` and `address`. */
async function inOwnProcess(script: string): Promise<string> {
  const module = pathToFileURL(fileURLToPath(new URL("../../../dist/adapters/temporal/broker.js", import.meta.url)));
  const known = `import { temporal } from ${JSON.stringify(module.href)}; const address = ${JSON.stringify(address)};`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", known + script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  ends.push(() => child.kill());
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect(code).toBe(0);
  return text.trim();
}

const done = (result?: unknown): Settlement => ({ outcome: "done", result });
const idOf = (name: string, id: string) => `boost:${name}:${id}`;

describe("a server that is not there", () => {
  it("is BROKER_DOWN within seconds, with the address and what to look at", async () => {
    const probe = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => probe.once("listening", resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    const broker = temporal({ address: `127.0.0.1:${port}` });
    const from = performance.now();
    const opening = broker.open({ queue: "q", options: {}, leaseMs: 1_000 });
    await expect(opening).rejects.toMatchObject({
      code: "BROKER_DOWN",
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
    expect(performance.now() - from).toBeLessThan(8_000);
    await broker.close();
  });
});

const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

describe.skipIf(!address)(`temporal${skipped}`, () => {
  it("a namespace that is not there is BROKER_REFUSED, by its name", async () => {
    const broker = temporal({ address, namespace: "nobody-made-it" });
    ends.push(() => broker.close());
    const opening = broker.open({ queue: "q", options: {}, leaseMs: 1_000 });
    await expect(opening).rejects.toMatchObject({
      code: "BROKER_REFUSED",
      message: expect.stringContaining("nobody-made-it"),
    });
  });

  it("closing while calls wait for another try throws nothing later", async () => {
    const between = await proxy(address);
    if (!between) throw new Error(`no proxy stands before ${address}`);
    const thrown: unknown[] = [];
    const listen = (error: unknown) => thrown.push(error);
    process.on("uncaughtException", listen);
    ends.push(() => process.off("uncaughtException", listen));
    const broker = temporal({ address: between.address });
    const queue = await broker.open({ queue: `${run}-away`, options: {}, leaseMs: 1_000 });
    await between.close();
    const asked = queue.state?.("1").catch(() => {});
    await sleep(300); // a few tries
    await broker.close();
    await asked;
    await sleep(3_000); // longer than between two tries
    expect(thrown).toEqual([]);
  });

  it("what was not started in time is not started later, when there is a connection again", async () => {
    const between = await proxy(address);
    if (!between) throw new Error("no proxy");
    ends.push(() => between.close());
    const broker = temporal({ address: between.address });
    ends.push(() => broker.close());
    const spec = { queue: `${run}-${counter++}`, options: {}, leaseMs: 3_000 };
    const queue = await broker.open({ ...spec, publishTimeoutMs: 1_000 });
    const beside = temporal({ address });
    ends.push(() => beside.close());
    const found = await beside.open(spec);
    await between.cut();
    between.delay(700); // longer than a second for a connection
    await expect(queue.publish([{ body: { n: 1 } }])).rejects.toMatchObject({ code: "BROKER_DOWN" });
    between.delay(0);
    await until("it is connected again", () =>
      queue.publish([{ body: { n: 2 } }]).then(
        () => true,
        () => false,
      ),
    );
    await until("the other is there", async () => ((await found.count?.())?.ready ?? 0) > 0);
    await sleep(2_000);
    expect(await found.count?.()).toMatchObject({ ready: 1 });
  });

  it("a delayed message is a workflow where its delay would be ignored, others are standalone activities", async () => {
    const { queue, name } = await fresh();
    const [now, later] = await queue.publish([{ body: { n: 1 } }, { body: { n: 2 }, delayMs: 60_000 }]);
    const client = await foreign();
    const activity = await client.activity.getHandle(idOf(name, now?.id ?? "")).describe();
    expect([activity.activityType, activity.taskQueue]).toEqual([name, name]);
    const workflow = await client.workflow.getHandle(idOf(name, later?.id ?? "")).describe();
    expect([workflow.type, workflow.taskQueue]).toEqual([name, "funboost.orchestrator"]);
    expect(await queue.state?.(later?.id ?? "")).toBe("delayed");
    await expect(client.activity.getHandle(idOf(name, later?.id ?? "")).describe()).rejects.toThrow();
    await queue.clear?.();
    expect(await queue.count?.()).toMatchObject({ ready: 0, delayed: 0 });
  });

  it("one id is published once, whether delayed or not", async () => {
    const { queue } = await fresh();
    const delayed = { id: "a", body: {}, delayMs: 60_000 };
    const plain = { id: "b", body: {} };
    expect(await queue.publish([delayed, plain])).toEqual([{ id: "a" }, { id: "b" }]);
    const other = [
      { id: "a", body: {} },
      { id: "b", body: {}, delayMs: 60_000 },
    ];
    expect(await queue.publish(other)).toEqual([
      { id: "a", existing: true },
      { id: "b", existing: true },
    ]);
    expect(await queue.cancel?.(["a", "b", "c"])).toEqual(["a", "b"]);
    expect(await queue.result?.("a", { facts: false })).toMatchObject({ status: "cancelled" });
    expect(await queue.publish([{ id: "a", body: {} }])).toEqual([{ id: "a" }]);
    await queue.clear?.();
  });

  it.each(["activity", "workflow"] as const)(
    "mode %s: Temporal's own clients see the plain result, and the error that the task threw",
    { timeout: 40_000 },
    async (mode) => {
      const { queue, name } = await fresh({ mode });
      const record = { status: "failed", error: { name: "RangeError", message: "too far" }, attempts: 1 } as const;
      const { settled } = await consume(queue, ({ body }) =>
        (body as { fail?: boolean }).fail
          ? { outcome: "failed", error: new RangeError("too far"), record }
          : done({ ok: true }),
      );
      await queue.publish([
        { id: "good", body: {} },
        { id: "bad", body: { fail: true } },
      ]);
      await until("both are settled", () => settled.length === 2);
      const client = await foreign();
      const resultOf = (id: string) =>
        (mode === "activity"
          ? client.activity.getHandle(idOf(name, id))
          : client.workflow.getHandle(idOf(name, id))
        ).result();
      expect(await resultOf("good")).toEqual({ ok: true });
      const error = (await resultOf("bad").catch((thrown: unknown) => thrown)) as Error & {
        cause: Error & { type?: string };
      };
      const cause = (mode === "activity" ? error.cause : error.cause.cause) as Error & { type?: string };
      expect([cause.type, cause.message]).toEqual(["RangeError", "too far"]);
      expect(await queue.result?.("bad", { facts: true })).toMatchObject(record);
    },
  );

  it.each(["activity", "workflow"] as const)(
    "mode %s: a result that cannot be carried says where, and what a run told of itself comes back",
    { timeout: 40_000 },
    async (mode) => {
      const { queue } = await fresh({ mode });
      const lost = {
        status: "done",
        lostAt: "result.list[1]",
        error: { name: "E", message: "a Map" },
        attempts: 1,
      } as const;
      const facts = {
        status: "done",
        attempts: 3,
        publishedAt: 1,
        startedAt: 2,
        endedAt: 3,
        host: "h",
        pid: 4,
      } as const;
      const { settled } = await consume(queue, ({ body }) =>
        (body as { lost?: boolean }).lost
          ? { outcome: "done", record: lost }
          : { outcome: "done", result: null, record: facts },
      );
      await queue.publish([
        { id: "lost", body: { lost: true } },
        { id: "told", body: {} },
      ]);
      await until("both are settled", () => settled.length === 2);
      const signal = AbortSignal.timeout(10_000);
      expect(await queue.result?.("lost", { facts: false, signal })).toMatchObject({
        status: "done",
        lostAt: "result.list[1]",
        error: { message: "a Map" },
      });
      expect(await queue.result?.("told", { facts: true, signal })).toEqual({ ...facts, result: null });
      expect(await queue.result?.("never", { facts: true, signal })).toBeUndefined();
    },
  );

  it("what arrives while the window is 0 is given back: no run, no attempt, no crash", {
    timeout: 40_000,
  }, async () => {
    const { queue } = await fresh();
    const { seen, consumer } = await consume(queue, () => done(), 3);
    await sleep(300); // polls are under way, and cannot be called back
    consumer.setWindow(0);
    await queue.publish([{ body: { n: 1 } }, { body: { n: 2 } }]);
    await sleep(1_500);
    expect(seen).toEqual([]);
    consumer.setWindow(3);
    await until("both are delivered", () => seen.length === 2);
    expect(seen.map(({ attempt, crashes }) => [attempt, crashes])).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });

  it("what may be delivered only once stays at a window of 0, or when it is put off or returned, and runs in the end", {
    timeout: 40_000,
  }, async () => {
    const { queue, name } = await fresh({ mode: "activity" });
    const answers: Settlement[] = [{ outcome: "returned" }, { outcome: "postponed", delayMs: 1_500 }, done("ran")];
    const { seen, settled, consumer } = await consume(queue, () => answers.shift() ?? done());
    await sleep(300); // its poll is under way
    consumer.setWindow(0);
    const start = {
      id: `${name}-once`,
      taskQueue: name,
      args: [{ n: 1 }],
      startToCloseTimeout: "1 minute",
      heartbeatTimeout: "1s",
    } as const;
    const theirs = await (await foreign()).activity.start(name, { ...start, retry: { maximumAttempts: 1 } });
    await sleep(2_500); // longer than its lease
    expect(seen).toEqual([]);
    consumer.setWindow(1);
    expect(await theirs.result()).toBe("ran");
    await until("its end is told", () => settled.length === 3);
    expect([seen.length, settled]).toEqual([3, ["applied", "applied", "applied"]]);
    expect(new Set(seen.map(({ attempt, crashes }) => `${attempt} ${crashes}`))).toEqual(new Set(["1 0"]));
  });

  it("what waits for the window and is ended by its publisher meanwhile does not run", {
    timeout: 40_000,
  }, async () => {
    const { queue, name } = await fresh({ mode: "activity" });
    const { seen, consumer } = await consume(queue, () => done("ran"), 2);
    await sleep(300); // its polls are under way
    consumer.setWindow(0);
    const start = {
      taskQueue: name,
      args: [],
      startToCloseTimeout: "1 minute",
      heartbeatTimeout: "1s",
      retry: { maximumAttempts: 1 },
    } as const;
    const { activity } = await foreign();
    const [terminated, cancelled] = [
      await activity.start(name, { ...start, id: `${name}-t` }),
      await activity.start(name, { ...start, id: `${name}-c` }),
    ];
    await sleep(500); // both have come
    await Promise.all([terminated.terminate("away"), cancelled.cancel("no more")]);
    await until("the cancelled one has ended", async () => (await cancelled.describe()).status === "CANCELED");
    await sleep(600); // two more beats
    consumer.setWindow(2);
    await sleep(500);
    expect(seen).toEqual([]);
  });

  it("what comes to polls of a broker that has closed is given back while others keep the native side", {
    timeout: 40_000,
  }, async () => {
    const other = await fresh({ mode: "activity" });
    await consume(other.queue, () => done());
    const { queue, name, broker } = await fresh({ mode: "activity" }, 60_000);
    const { consumer } = await consume(queue, () => done(), 5);
    await sleep(300); // its polls are under way
    await consumer.close();
    await broker.close();
    const next = temporal({ address, mode: "activity" });
    ends.push(() => next.close());
    const again = await next.open({ queue: name, options: {}, leaseMs: 60_000 });
    await again.publish(Array.from({ length: 5 }, () => ({ body: {} })));
    const { seen } = await consume(again, () => done(), 5);
    await until("all five are delivered", () => seen.length === 5);
    expect(seen.map(({ attempt, crashes }) => `${attempt} ${crashes}`)).toEqual(Array(5).fill("1 0"));
  });

  it("an error whose text is cut in half a character ends its task", { timeout: 40_000 }, async () => {
    const { queue } = await fresh({ mode: "activity" });
    const { settled } = await consume(queue, () => ({
      outcome: "failed",
      error: Object.assign(new Error("half \ud83d"), { name: "\udc00" }),
    }));
    await queue.publish([{ id: "x", body: {} }]);
    await until("it is settled", () => settled.length === 1);
    expect([settled, await queue.result?.("x", { facts: true })]).toMatchObject([
      ["applied"],
      { status: "failed", error: { message: "half \ufffd" } },
    ]);
  });

  it("a retry that comes too late is a crash, and no attempt", { timeout: 40_000 }, async () => {
    const { queue } = await fresh({ mode: "activity" }, 1_000);
    const { seen, settled } = await consume(queue, async () => {
      if (seen.length > 1) return done();
      await sleep(2_500); // nobody renews its lease
      return { outcome: "retry", error: new Error("again"), delayMs: 0 };
    });
    await queue.publish([{ body: {} }]);
    await until("both are settled", () => settled.length === 2);
    expect([settled, seen.map(({ attempt, crashes }) => `${attempt} ${crashes}`)]).toEqual([
      ["stale", "applied"],
      ["1 0", "1 1"],
    ]);
  });

  it("what comes while the last consumer of the default mode closes is given back at once", {
    timeout: 40_000,
  }, async () => {
    const { queue } = await fresh({}, 60_000);
    const first = await consume(queue, () => done(), 5);
    await sleep(300); // polls are under way, and stay so while the orchestrator winds down
    const closing = first.consumer.close();
    await queue.publish([{ id: "late", body: {} }]);
    await closing;
    const second = await consume(queue, () => done());
    await until("it is delivered", () => second.seen.length === 1);
    expect([first.seen.length, second.seen[0]?.attempt, second.seen[0]?.crashes]).toEqual([0, 1, 0]);
  });

  it("Temporal's own rate of a task queue is told with each poll", { timeout: 40_000 }, async () => {
    const broker = temporal({ address, mode: "activity" });
    ends.push(() => broker.close());
    const queue = await broker.open({
      queue: `${run}-rate`,
      options: { maxTaskQueueActivitiesPerSecond: 2 },
      leaseMs: 3_000,
    });
    const { seen } = await consume(queue, () => done(), 30);
    await queue.publish(Array.from({ length: 30 }, () => ({ body: {} })));
    await sleep(3_000);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.length).toBeLessThan(20);
    await queue.clear?.();
  });

  it("a forced close gives back at once, long before the lease ends", { timeout: 40_000 }, async () => {
    const { queue } = await fresh({}, 60_000);
    const first = await consume(queue, () => new Promise(() => {}));
    await queue.publish([{ body: {} }]);
    await until("it is held", () => first.seen.length === 1);
    await first.consumer.close({ force: true });
    const second = await consume(queue, () => done());
    await until("it is delivered again", () => second.seen.length === 1, 8_000);
    expect([second.seen[0]?.attempt, second.seen[0]?.crashes]).toEqual([1, 0]);
  });

  it("a task that Temporal's own client cancels hears of it by its heartbeat", { timeout: 40_000 }, async () => {
    const { queue, name } = await fresh({ mode: "activity" }, 1_500);
    const { seen, settled, consumer } = await consume(
      queue,
      ({ signal }) => new Promise((end) => signal?.addEventListener("abort", () => end(done("stopped")))),
    );
    await queue.publish([{ id: "x", body: {} }]);
    await until("it runs", () => seen.length === 1);
    await (await foreign()).activity.getHandle(idOf(name, "x")).cancel("enough");
    const beat = setInterval(() => void consumer.renew?.().catch(() => {}), 300);
    ends.push(() => clearInterval(beat));
    await until("it ended", () => settled.length === 1);
    expect(settled).toEqual(["applied"]);
  });

  it("a task that was terminated while it ran is stale", { timeout: 40_000 }, async () => {
    const { queue, name } = await fresh({ mode: "activity" });
    let end = () => {};
    const { seen, settled } = await consume(queue, () => new Promise((resolve) => (end = () => resolve(done()))));
    await queue.publish([{ id: "x", body: {} }]);
    await until("it runs", () => seen.length === 1);
    expect(await queue.cancel?.(["x"])).toEqual([]); // it runs
    await (await foreign()).activity.getHandle(idOf(name, "x")).terminate("away");
    end();
    await until("it is settled", () => settled.length === 1);
    expect([settled, await queue.result?.("x", { facts: true })]).toMatchObject([["stale"], { status: "cancelled" }]);
  });

  it("a pause is an open workflow: it holds for other processes and without a store", async () => {
    const { queue, name } = await fresh();
    await queue.setPaused?.(true);
    await queue.setPaused?.(true);
    const other = temporal({ address });
    ends.push(() => other.close());
    const there = await other.open({ queue: name, options: {}, leaseMs: 1_000 });
    expect(await there.paused?.()).toBe(true);
    expect((await queue.count?.())?.ready).toBe(0);
    await there.setPaused?.(false);
    await there.setPaused?.(false);
    expect(await queue.paused?.()).toBe(false);
  });

  it("consuming takes over no signal, and writes nothing to stderr", { timeout: 40_000 }, async () => {
    const signals = ["SIGINT", "SIGTERM", "SIGQUIT", "SIGUSR2"] as const;
    const before = signals.map((name) => process.listenerCount(name));
    const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    ends.push(() => written.mockRestore());
    const { queue } = await fresh();
    const { settled, consumer } = await consume(queue, () => done());
    await queue.publish([{ body: {} }]);
    await until("it is settled", () => settled.length === 1);
    expect(signals.map((name) => process.listenerCount(name))).toEqual(before);
    await consumer.close();
    expect(written.mock.calls).toEqual([]);
  });

  it("a runtime that its user has installed is theirs after each pause", { timeout: 60_000 }, async () => {
    const text = await inOwnProcess(`
      import { DefaultLogger, Runtime } from "@temporalio/worker";
      Runtime.install({ shutdownSignals: ["SIGUSR2"], logger: new DefaultLogger("ERROR", () => {}) });
      const broker = temporal({ address });
      const queue = await broker.open({ queue: ${JSON.stringify(`${run}-runtime`)}, options: {}, leaseMs: 1000 });
      for (const _ of [1, 2]) {
        const options = { signal: false, onSettled() {}, onError() {} };
        const consumer = await queue.consume(async () => ({ outcome: "done" }), options);
        console.log(process.listenerCount("SIGUSR2"));
        await consumer.close();
      }
      await broker.close();`);
    expect(text).toBe("1\n1");
  });

  it("two consumers of one queue in one process share it", { timeout: 40_000 }, async () => {
    const { queue } = await fresh();
    const both = [await consume(queue, () => done(), 2), await consume(queue, () => done(), 2)];
    await queue.publish(Array.from({ length: 20 }, () => ({ body: {} })));
    await until("all are settled", () => both.reduce((sum, { settled }) => sum + settled.length, 0) === 20);
  });

  it("a process that publishes and waits loads no worker, and ends by itself", { timeout: 60_000 }, async () => {
    const text = await inOwnProcess(`
      import Module from "node:module";
      const broker = temporal({ address });
      const queue = await broker.open({ queue: ${JSON.stringify(`${run}-publisher`)}, options: {}, leaseMs: 1000 });
      await queue.publish([{ id: "p", body: { n: 1 } }]);
      const options = { facts: false, signal: AbortSignal.timeout(20_000) };
      const waiting = queue.result("p", options).catch((error) => error.name);
      const cancelled = await queue.cancel(["p"]);
      const isLoaded = Object.keys(Module._cache).some((file) => file.includes("core-bridge"));
      console.log(cancelled, JSON.stringify(await waiting).slice(0, 21), isLoaded);`);
    expect(text).toBe(`[ 'p' ] {"status":"cancelled" false`);
  });
});
