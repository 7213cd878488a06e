/** A running task's cancel from another process: how soon its signal aborts, on each engine, and when connections are lost or the server is killed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { boost, type Handle, shutdown, type TaskParams } from "funboost";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { type Child, startChild } from "./conformance/child-process.ts";
import { createSubject, type Subject } from "./conformance/subject.ts";
import { range } from "./conformance/track.ts";
import { until } from "./conformance/until.ts";
import { type EngineName, engines } from "./support/engines.ts";
import { type PrivateService, serviceFor, startPrivate } from "./support/services.ts";

const folder = mkdtempSync(join(tmpdir(), "funboost-cancel-"));
afterAll(async () => {
  await shutdown({ grace: 500 });
  rmSync(folder, { recursive: true, force: true });
});

/** What is promised. */
const seenMs = 500;
const patienceMs = 30_000;
/** One after the other: out of the queue, its state, the word, the notice, the look at the word. `state()` itself is two of them. */
const callsOfCancel = 3;
let count = 0;

interface Setup {
  readonly engine: EngineName | "sqlite";
  readonly n: number;
  readonly deaf?: true;
}

const setups: readonly Setup[] = [
  { engine: "sqlite", n: 300 },
  { engine: "sqlite", n: 100, deaf: true },
  { engine: "bullmq", n: 300 },
  { engine: "bullmq", n: 100, deaf: true },
  { engine: "bee-queue", n: 100 },
  { engine: "agenda-postgres", n: 60 },
  { engine: "agenda-redis", n: 60 },
  { engine: "temporal", n: 40 },
];

/** `leaseMs` is that of the process that runs the task. */
function subjectOf({ leaseMs = "15000", ...settings }: Readonly<Record<string, string>>): Subject {
  const subject = createSubject({ name: "cancel", create: new URL("./support/cancel-engines.ts", import.meta.url), settings, leaseMs: 15_000 });
  return { ...subject, leaseMs: Number(leaseMs) };
}

/** A task here, and a process that runs it until its signal aborts. */
async function patient(settings: Readonly<Record<string, string>>) {
  const subject = subjectOf(settings);
  const queue = `cancel-${process.pid}-${count++}`;
  const broker = await subject.make();
  const task = boost({ queue, broker, rpc: true, params: ["value", "ms?"] } as TaskParams, (_value: number, _ms?: number) => {});
  const child = await startChild(subject, queue, { behaviour: "patient", params: { rpc: true, concurrency: 20 } });
  return { task, child, broker };
}

const has = (child: Child, kind: "start" | "end", value: number) => child.seen(kind).some((each) => each.value === value);

/** From the call to the report that the signal has aborted. */
async function cancelled(child: Child, handle: Handle, value: number): Promise<number> {
  await until(`${value} runs`, () => has(child, "start", value), patienceMs);
  const from = performance.now();
  expect(await handle.cancel()).toBe(true);
  await until(`${value} sees its cancel`, () => has(child, "end", value), patienceMs);
  const ms = performance.now() - from;
  await expect(handle.waitResult({ timeout: patienceMs })).rejects.toMatchObject({ code: "CANCELLED", status: "cancelled" });
  return ms;
}

/** What this machine cost: how long either process stood still, and the slowest of the calls that a cancel is made of. */
function watchMachine(child: Child, ask: () => Promise<unknown>) {
  const here = monitorEventLoopDelay({ resolution: 10 });
  here.enable();
  const slowest = { child: 0, engine: 0 };
  let stopped = false;
  const watch = async (name: keyof typeof slowest, call: () => Promise<unknown>) => {
    while (!stopped) {
      const from = performance.now();
      await call();
      slowest[name] = Math.max(slowest[name], performance.now() - from);
      await new Promise((next) => setTimeout(next, 20));
    }
  };
  const watching = Promise.all([watch("child", () => child.call("consumer.status")), watch("engine", ask)]);
  return async () => {
    stopped = true;
    await watching;
    here.disable();
    return here.max / 1e6 + slowest.child + callsOfCancel * slowest.engine;
  };
}

function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

async function measure(name: string, settings: Readonly<Record<string, string>>, n: number, withinMs = seenMs): Promise<void> {
  const { task, child, broker } = await patient(settings);
  const handles = await task.pushMany(range(n).map((i) => [i] as [number]));
  const cost = watchMachine(child, async () => handles[0]?.state());
  try {
    const times = await Promise.all(handles.map((handle, i) => cancelled(child, handle, i)));
    const machineMs = await cost();
    const [p50, p99, most] = [percentile(times, 0.5), percentile(times, 0.99), Math.max(...times)];
    console.log(
      `cancel seen on ${name}: ${n} cancels, p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, at most ${most.toFixed(0)} ms; the machine's part up to ${machineMs.toFixed(0)} ms`,
    );
    expect(child.seen("start")).toHaveLength(n); // none is retried
    expect(p99).toBeLessThan(withinMs + machineMs);
  } finally {
    await child.kill();
    await broker.close();
  }
}

describe("a running task sees its cancel", { timeout: 120_000 }, () => {
  for (const { engine, n, deaf } of setups) {
    const name = `${engine}${deaf ? ", by polling alone" : ""}`;
    it(`within ${seenMs} ms in 99 of 100, on ${name}`, async ({ skip }) => {
      const common = { engine, ...(deaf ? { deaf: "yes" } : {}), file: join(folder, "queue.db"), storeFile: join(folder, `${engine}.db`) };
      if (engine === "sqlite") return measure(name, common, n);
      const service = await serviceFor(engines[engine].server);
      if (service.unavailable !== undefined) return skip(service.unavailable);
      try {
        await measure(name, { ...common, ...service.settings }, n);
      } finally {
        await service.stop();
      }
    });
  }
});

describe("Temporal without a store", { timeout: 120_000 }, () => {
  it("tells a running task of its cancel in the answer to its next heartbeat", async ({ skip }) => {
    const service = await serviceFor("temporal");
    if (service.unavailable !== undefined) return skip(service.unavailable);
    const leaseMs = 2_000;
    try {
      await measure("temporal, by its own cancellation", { engine: "temporal", leaseMs: String(leaseMs), ...service.settings }, 20, leaseMs / 2);
    } finally {
      await service.stop();
    }
  });
});

describe("a cancel that is sent while connections are lost", { timeout: 120_000 }, () => {
  let service: PrivateService;
  const start = async () => {
    service = await startPrivate("redis", { durable: true });
    return service.unavailable;
  };
  const settings = () => ({ engine: "bullmq", ...service.settings });

  it("is seen once they are back", async ({ skip }) => {
    const unavailable = await start();
    if (unavailable !== undefined) return skip(unavailable);
    const { task, child, broker } = await patient(settings());
    const admin = new Redis(service.settings?.REDIS_URL ?? "");
    const times: number[] = [];
    try {
      for (const i of range(20)) {
        const handle = await task.push(i);
        await until(`${i} runs`, () => has(child, "start", i), patienceMs);
        await Promise.all([admin.call("CLIENT", "KILL", "TYPE", "pubsub"), admin.call("CLIENT", "KILL", "TYPE", "normal")]);
        times.push(await cancelled(child, handle, i));
      }
      console.log(`cancel sent in a reconnect: p50 ${percentile(times, 0.5).toFixed(0)} ms, at most ${Math.max(...times).toFixed(0)} ms`);
      expect(child.seen("start")).toHaveLength(20);
    } finally {
      admin.disconnect();
      await child.kill();
      await broker.close();
      await service.stop();
    }
  });

  it("is seen when the server was killed meanwhile", async ({ skip }) => {
    const unavailable = await start();
    if (unavailable !== undefined) return skip(unavailable);
    const { task, child, broker } = await patient(settings());
    try {
      const handle = await task.push(0);
      await until("it runs", () => has(child, "start", 0), patienceMs);
      await service.kill();
      const asked = handle.cancel();
      asked.catch(() => {});
      await service.restart();
      const from = performance.now();
      expect(await asked).toBe(true);
      await until("it sees its cancel", () => has(child, "end", 0), patienceMs);
      console.log(`cancel asked of a killed server: seen ${(performance.now() - from).toFixed(0)} ms after it was back`);
      await expect(handle.waitResult({ timeout: patienceMs })).rejects.toMatchObject({ status: "cancelled" });
      expect(child.seen("start")).toHaveLength(1);
    } finally {
      await child.kill();
      await broker.close();
      await service.stop();
    }
  });
});
