/** A running task's cancel from another process: how soon its signal aborts, on each engine, and when connections are lost or the server is killed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boost, type Handle, shutdown, type TaskParams } from "funboost";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { type Child, startChild } from "../conformance/child-process.ts";
import { machineMs, stalledIn } from "../conformance/machine.ts";
import { createSubject, type Subject } from "../conformance/subject.ts";
import { range } from "../conformance/track.ts";
import { until } from "../conformance/until.ts";
import { noting, stallsIn } from "../support/cancel-engines.ts";
import { type EngineName, engines } from "../support/engines.ts";
import { type PrivateService, serviceFor, startPrivate } from "../support/services.ts";

const folder = mkdtempSync(join(tmpdir(), "funboost-cancel-"));
afterAll(async () => {
  await shutdown({ grace: 500 });
  rmSync(folder, { recursive: true, force: true });
});

/** What is promised. */
const seenMs = 500;
const patienceMs = 30_000;
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
  const subject = createSubject({
    name: "cancel",
    create: new URL("../support/cancel-engines.ts", import.meta.url),
    settings,
    leaseMs: 15_000,
  });
  return { ...subject, leaseMs: Number(leaseMs) };
}

/** A task here, and a process that runs it until its signal aborts. */
async function patient(settings: Readonly<Record<string, string>>) {
  const queue = `cancel-${process.pid}-${count++}`;
  const stallFile = join(folder, `${queue}.stalls`);
  const subject = subjectOf(settings);
  const keptAt = new Map<string, number>();
  const broker = noting(await subject.make(), keptAt);
  const task = boost(
    { queue, broker, rpc: true, params: ["value", "ms?"] } as TaskParams,
    (_value: number, _ms?: number) => {},
  );
  const child = await startChild({ ...subject, settings: { ...subject.settings, stallFile } }, queue, {
    behaviour: "patient",
    params: { rpc: true, concurrency: 20 },
  });
  return { task, child, broker, keptAt, stalls: () => stallsIn(stallFile) };
}

type Patient = Awaited<ReturnType<typeof patient>>;

const has = (child: Child, kind: "start" | "end", value: number) =>
  child.seen(kind).some((each) => each.value === value);

interface Seen {
  /** From the call to when the signal aborted. */
  readonly calledMs: number;
  /** From when the word was kept to when the signal aborted, without what the machine took from that process meanwhile. */
  readonly keptMs: number;
}

async function cancelled({ child, keptAt, stalls }: Patient, handle: Handle, value: number): Promise<Seen> {
  await until(`${value} runs`, () => has(child, "start", value), patienceMs);
  const called = machineMs();
  expect(await handle.cancel()).toBe(true);
  await until(`${value} sees its cancel`, () => has(child, "end", value), patienceMs);
  await expect(handle.waitResult({ timeout: patienceMs })).rejects.toMatchObject({
    code: "CANCELLED",
    status: "cancelled",
  });
  const at = child.seen("end").find((each) => each.value === value)?.atMs as number;
  const kept = keptAt.get(handle.id) as number;
  return { calledMs: at - called, keptMs: Math.max(0, at - kept) - stalledIn(stalls(), kept, at) };
}

function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

function inMs(values: readonly number[]): string {
  return `p50 ${percentile(values, 0.5).toFixed(0)}, p99 ${percentile(values, 0.99).toFixed(0)}, at most ${Math.max(...values).toFixed(0)} ms`;
}

function judge(name: string, seen: readonly Seen[], withinMs: number): void {
  const kept = seen.map(({ keptMs }) => keptMs);
  const called = seen.map(({ calledMs }) => calledMs);
  console.log(
    `cancel seen on ${name}, ${seen.length} times: from the call ${inMs(called)}; from when it was kept, but for stalls, ${inMs(kept)}`,
  );
  expect(percentile(kept, 0.99)).toBeLessThan(withinMs);
}

async function measure(
  name: string,
  settings: Readonly<Record<string, string>>,
  n: number,
  withinMs = seenMs,
): Promise<void> {
  const patience = await patient(settings);
  const { task, child, broker } = patience;
  try {
    const handles = await task.pushMany(range(n).map((i) => [i] as [number]));
    const seen = await Promise.all(handles.map((handle, i) => cancelled(patience, handle, i)));
    expect(child.seen("start")).toHaveLength(n); // none is retried
    judge(name, seen, withinMs);
  } finally {
    await child.kill();
    await broker.close();
  }
}

describe("a running task sees its cancel", { timeout: 120_000 }, () => {
  for (const { engine, n, deaf } of setups) {
    const name = `${engine}${deaf ? ", by polling alone" : ""}`;
    it(`within ${seenMs} ms in 99 of 100, on ${name}`, async ({ skip }) => {
      const common = {
        engine,
        ...(deaf ? { deaf: "yes" } : {}),
        file: join(folder, "queue.db"),
        storeFile: join(folder, `${engine}.db`),
      };
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
      await measure(
        "temporal, by its own cancellation",
        { engine: "temporal", leaseMs: String(leaseMs), ...service.settings },
        20,
        leaseMs / 2,
      );
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
    const patience = await patient(settings());
    const { task, child, broker } = patience;
    const admin = new Redis(service.settings?.REDIS_URL ?? "");
    const seen: Seen[] = [];
    try {
      for (const i of range(20)) {
        const handle = await task.push(i);
        await until(`${i} runs`, () => has(child, "start", i), patienceMs);
        await Promise.all([
          admin.call("CLIENT", "KILL", "TYPE", "pubsub"),
          admin.call("CLIENT", "KILL", "TYPE", "normal"),
        ]);
        seen.push(await cancelled(patience, handle, i));
      }
      expect(child.seen("start")).toHaveLength(20);
      judge("bullmq, sent in a reconnect", seen, seenMs);
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
      console.log(
        `cancel asked of a killed server: seen ${(performance.now() - from).toFixed(0)} ms after it was back`,
      );
      await expect(handle.waitResult({ timeout: patienceMs })).rejects.toMatchObject({ status: "cancelled" });
      expect(child.seen("start")).toHaveLength(1);
    } finally {
      await child.kill();
      await broker.close();
      await service.stop();
    }
  });
});
