/** What only Temporal can get wrong; all else is in the conformance kit. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Client, Connection } from "@temporalio/client";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { type TemporalOptions, temporal } from "../../adapters/brokers/temporal.ts";
import { workflowBundle } from "../../adapters/parts/temporal/bundle.ts";
import { fateAfter } from "../../adapters/parts/temporal/fate.ts";
import { checkQueue, engineId, fromPayload, prefixOf, quoted, toPayload } from "../../adapters/parts/temporal/protocol.ts";
import { priorityKey } from "../../adapters/parts/temporal/publish.ts";
import { makeSlots } from "../../adapters/parts/temporal/slots.ts";
import { sleep } from "../../src/clock.ts";
import type { Broker, BrokerQueue, Consumer, Delivery, Settlement } from "../../src/contract/index.ts";
import { proxy } from "../support/services/proxy.ts";
import { serviceFor } from "../support/services.ts";

const service = await serviceFor("temporal");
const address = service.unavailable ? "" : (service.settings?.TEMPORAL_ADDRESS ?? "");
afterAll(() => service.stop());
const run = `t${process.pid}${Date.now().toString(36)}`;
const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
let counter = 0;

async function fresh(options: TemporalOptions = {}, leaseMs = 3_000): Promise<{ broker: Broker; queue: BrokerQueue; name: string }> {
  const broker = temporal({ address, ...options });
  ends.push(() => broker.close());
  const name = `${run}-${counter++}`;
  return { broker, name, queue: await broker.open({ queue: name, options: {}, leaseMs }) };
}

async function consume(queue: BrokerQueue, answer: (delivery: Delivery) => Settlement | Promise<Settlement>, window = 1) {
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

const done = (result?: unknown): Settlement => ({ outcome: "done", result });
const idOf = (name: string, id: string) => `boost:${name}:${id}`;

describe("names", () => {
  it("a queue and an id are told apart in what Temporal sees, whatever they hold", () => {
    expect(engineId(prefixOf("a"), "b:c")).not.toBe(engineId(prefixOf("a:b"), "c"));
    expect(engineId(prefixOf("a%3Ab"), "c")).not.toBe(engineId(prefixOf("a:b"), "c"));
  });
  it.each(["", "/_sys/x", "__temporal_x", "x".repeat(960), "ü".repeat(490), "\ud800", "taken"])("the queue name %j is refused", (name) => {
    expect(() => checkQueue(name, ["taken"])).toThrow(expect.objectContaining({ code: "BAD_QUEUE" }));
  });
  it("the longest queue name leaves room for an id of ours", () => {
    const longest = "x".repeat(957);
    checkQueue(longest, []);
    expect(() => checkQueue(`${longest}x`, [])).toThrow();
    expect(Buffer.byteLength(engineId(prefixOf(longest), "0".repeat(36)))).toBe(1_000);
  });
  it.each(["", "x".repeat(1_000), "\udc00"])("the id %j is refused", (id) => {
    expect(() => engineId(prefixOf("q"), id)).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
  });
  it("quotes cannot leave a visibility query", () => expect(quoted("a' OR '\\")).toBe("'a\\' OR \\'\\\\'"));
});

describe("options", () => {
  it.each([
    [{}, "127.0.0.1:7233"],
    [{ address: "t.example" }, "t.example:7233"],
    [{ url: "temporal://t.example:7000/" }, "t.example:7000"],
    [{ address: "[::1]" }, "[::1]:7233"],
  ])("%j connects to %s", (options, text) => expect(temporal(options).address?.()).toBe(text));
  it.each([{ adress: "x" }, { mode: "fast" }, { address: "me:secret@host" }, { address: "a b" }, { url: "redis://host" }])("%j is refused", (options) => {
    const make = () => temporal(options as TemporalOptions);
    expect(make).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
    expect(make).not.toThrow(/secret@/);
  });
});

describe("attempts and crashes", () => {
  const details = (value: unknown) => ({ payloads: [toPayload(value)] });
  const before = { attempt: 2, crashes: 1 };
  it("our own failures say what comes next", () => {
    const ours = { applicationFailureInfo: { type: "RangeError", details: details({ attempt: 3, crashes: 1 }) } };
    expect(fateAfter(ours, before)).toEqual({ attempt: 3, crashes: 1 });
  });
  it("a missing heartbeat is a crash, and no attempt", () =>
    expect(fateAfter({ timeoutFailureInfo: { timeoutType: 4 } }, before)).toEqual({ attempt: 2, crashes: 2 }));
  it("a failure that somebody else reported is an attempt", () => {
    expect(fateAfter({ applicationFailureInfo: { details: details("theirs") } }, before)).toEqual({ attempt: 3, crashes: 1 });
  });
});

describe("priorities", () => {
  const key = (priority: number | undefined, ahead = false) => priorityKey({ body: {}, ahead, ...(priority === undefined ? {} : { priority }) });
  it("bigger is sooner, none is Temporal's default, ahead is before all", () => {
    expect([key(-1000), key(-100), key(-99), key(-1), key(undefined), key(0), key(1), key(1000), key(-5, true)]).toEqual([5, 5, 4, 4, 3, 3, 2, 2, 1]);
  });
});

describe("the window's slots", () => {
  const context = {} as never;
  it("never grants more than there is room for, wakes when there is more, and forgets who has given up", async () => {
    let room = 1;
    const slots = makeSlots(
      () => room,
      () => {},
    );
    const granted: number[] = [];
    const stop = new AbortController();
    const reserve = (n: number, signal = new AbortController().signal) => slots.supplier.reserveSlot(context, signal).then(() => granted.push(n));
    void reserve(1);
    const givenUp = reserve(2, stop.signal);
    void reserve(3);
    await sleep(1);
    expect(granted).toEqual([1]);
    stop.abort(new Error("no longer"));
    await expect(givenUp).rejects.toThrow("no longer");
    room = 2;
    slots.grant();
    await sleep(1);
    expect([granted, slots.polling(), slots.supplier.tryReserveSlot(context)]).toEqual([[1, 3], 2, null]);
    room = 0;
    void reserve(4);
    slots.supplier.releaseSlot({ permit: {} });
    await sleep(1);
    expect(granted).toEqual([1, 3]);
  });
});

describe("the bundle", () => {
  it("is kept in the user's cache folder, for this user alone, and a file of one's own is taken instead", async () => {
    const folder = mkdtempSync(join(tmpdir(), "funboost-bundle-"));
    ends.push(() => rmSync(folder, { recursive: true }));
    vi.stubEnv("XDG_CACHE_HOME", folder);
    ends.push(() => vi.unstubAllEnvs());
    vi.resetModules();
    const again = (await import("../../adapters/parts/temporal/bundle.ts")).workflowBundle;
    const builds = vi.fn(async () => ({ code: "the bundle" }));
    expect(await again({ bundleWorkflowCode: builds }, undefined)).toEqual({ code: "the bundle" });
    const [file = ""] = readdirSync(join(folder, "funboost"));
    expect(file).toMatch(/^temporal-workflow-[\da-f]{32}\.js$/);
    if (process.platform !== "win32") expect(statSync(join(folder, "funboost")).mode & 0o077).toBe(0);
    vi.resetModules();
    const third = (await import("../../adapters/parts/temporal/bundle.ts")).workflowBundle;
    expect(await third({ bundleWorkflowCode: builds }, undefined)).toEqual({ code: "the bundle" });
    expect(builds).toHaveBeenCalledTimes(1);
    expect(await workflowBundle({ bundleWorkflowCode: builds }, { codePath: join(folder, "funboost", file) })).toEqual({ code: "the bundle" });
    await expect(workflowBundle({ bundleWorkflowCode: builds }, { codePath: join(folder, "none.js") })).rejects.toMatchObject({ code: "BAD_OPTION" });
  });
});

describe("a server that is not there", () => {
  it("is BROKER_DOWN within seconds, with the address and what to look at", async () => {
    const probe = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => probe.once("listening", resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    const broker = temporal({ address: `127.0.0.1:${port}` });
    const from = performance.now();
    const opening = broker.open({ queue: "q", options: {}, leaseMs: 1_000 });
    await expect(opening).rejects.toMatchObject({ code: "BROKER_DOWN", message: expect.stringContaining(`127.0.0.1:${port}`) });
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
    await expect(opening).rejects.toMatchObject({ code: "BROKER_REFUSED", message: expect.stringContaining("nobody-made-it") });
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

  it("a delayed message is a workflow where the server would ignore its delay, others are standalone activities", async () => {
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
        (body as { fail?: boolean }).fail ? { outcome: "failed", error: new RangeError("too far"), record } : done({ ok: true }),
      );
      await queue.publish([
        { id: "good", body: {} },
        { id: "bad", body: { fail: true } },
      ]);
      await until("both are settled", () => settled.length === 2);
      const client = await foreign();
      const resultOf = (id: string) => (mode === "activity" ? client.activity.getHandle(idOf(name, id)) : client.workflow.getHandle(idOf(name, id))).result();
      expect(await resultOf("good")).toEqual({ ok: true });
      const error = (await resultOf("bad").catch((thrown: unknown) => thrown)) as Error & { cause: Error & { type?: string } };
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
      const lost = { status: "done", lostAt: "result.list[1]", error: { name: "E", message: "a Map" }, attempts: 1 } as const;
      const facts = { status: "done", attempts: 3, publishedAt: 1, startedAt: 2, endedAt: 3, host: "h", pid: 4 } as const;
      const { settled } = await consume(queue, ({ body }) =>
        (body as { lost?: boolean }).lost ? { outcome: "done", record: lost } : { outcome: "done", result: null, record: facts },
      );
      await queue.publish([
        { id: "lost", body: { lost: true } },
        { id: "told", body: {} },
      ]);
      await until("both are settled", () => settled.length === 2);
      const signal = AbortSignal.timeout(10_000);
      expect(await queue.result?.("lost", { facts: false, signal })).toMatchObject({ status: "done", lostAt: "result.list[1]", error: { message: "a Map" } });
      expect(await queue.result?.("told", { facts: true, signal })).toEqual({ ...facts, result: null });
      expect(await queue.result?.("never", { facts: true, signal })).toBeUndefined();
    },
  );

  it("what arrives while the window is 0 is given back: no run, no attempt, no crash", { timeout: 40_000 }, async () => {
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

  it("two consumers of one queue in one process share it", { timeout: 40_000 }, async () => {
    const { queue } = await fresh();
    const both = [await consume(queue, () => done(), 2), await consume(queue, () => done(), 2)];
    await queue.publish(Array.from({ length: 20 }, () => ({ body: {} })));
    await until("all are settled", () => both.reduce((sum, { settled }) => sum + settled.length, 0) === 20);
  });

  it("a process that publishes and waits loads no worker, and ends by itself", { timeout: 60_000 }, async () => {
    const module = pathToFileURL(fileURLToPath(new URL("../../dist/adapters/brokers/temporal.js", import.meta.url)));
    const name = `${run}-publisher`;
    const script = `
      import { temporal } from ${JSON.stringify(module.href)};
      import Module from "node:module";
      const broker = temporal({ address: ${JSON.stringify(address)} });
      const queue = await broker.open({ queue: ${JSON.stringify(name)}, options: {}, leaseMs: 1000 });
      await queue.publish([{ id: "p", body: { n: 1 } }]);
      const waiting = queue.result("p", { facts: false, signal: AbortSignal.timeout(20_000) }).catch((error) => error.name);
      console.log(await queue.cancel(["p"]), JSON.stringify(await waiting).slice(0, 21), Object.keys(Module._cache).some((file) => file.includes("core-bridge")));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    ends.push(() => child.kill());
    let text = "";
    child.stdout.on("data", (chunk) => (text += chunk));
    const code = await new Promise((resolve) => child.once("exit", resolve));
    expect([code, text.trim()]).toEqual([0, `[ 'p' ] {"status":"cancelled" false`]);
  });
});

it("payloads of other clients are read", () => {
  expect(fromPayload({ metadata: { encoding: Buffer.from("binary/null") } })).toBeUndefined();
  expect(fromPayload({ metadata: { encoding: Buffer.from("json/protobuf") }, data: Buffer.from('{"a":1}') })).toEqual({ a: 1 });
  expect([undefined, null, 0, "", [1]].map((value) => fromPayload(toPayload(value)))).toEqual([undefined, null, 0, "", [1]]);
});
