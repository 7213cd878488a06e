/** A child process of the kit: one task on the engine under test. It is the one that is killed. */
import "./wall-clock.ts"; // first: what is loaded after it takes this clock for the machine's
import { subscribe } from "node:diagnostics_channel";
import type { Broker } from "../../src/contract/index.ts";
import {
  boost,
  configure,
  fct,
  getTask,
  shutdown,
  type TaskConsumer,
  type TaskParams,
  wrapBroker,
} from "../../src/index.ts";
import { machineMs } from "./machine.ts";
import type { CreateModule } from "./subject.ts";
import { wallClock } from "./wall-clock.ts";

export interface ChildJob {
  readonly create: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly leaseMs: number;
  readonly queue: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly behaviour: keyof typeof behaviours;
  readonly consume: boolean;
  readonly settlements: boolean;
  readonly signals: boolean;
  readonly clockMs: number;
  readonly dies: Dying | undefined;
}

/**
 * When the process kills itself: as its task's row is written, when all is kept and nothing is acknowledged, or when a
 * message would go to the engine.
 */
export type Dying = "recording" | "settling" | "publishing";

export interface Report {
  readonly kind: "ready" | "start" | "end" | "settled" | "answer";
  readonly value?: unknown;
  readonly taskId?: string;
  /** Of a settlement: "applied" or "stale". */
  readonly outcome?: string;
  readonly attempt?: number;
  readonly error?: string;
  readonly call?: number;
  /** When, by the machine's monotonic clock. */
  readonly atMs?: number;
}

/** Resolves when the parent has it, or is gone. */
const report = (message: Report) =>
  new Promise<void>((resolve) =>
    process.connected ? process.send?.(message, undefined, {}, () => resolve()) : resolve(),
  );
const started = (value: unknown) =>
  report({ kind: "start", value, taskId: fct.taskId ?? "", attempt: fct.attempt ?? 0, atMs: machineMs() });
const work = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What the task does with `value`; `ms` is how long. */
const behaviours = {
  async work(value: unknown, ms = 0): Promise<unknown> {
    await started(value);
    await work(ms);
    await report({ kind: "end", value });
    return value;
  },
  /** Dies with its process when the value is "poison". */
  async poison(value: unknown, ms = 0): Promise<unknown> {
    await started(value);
    if (value === "poison") process.kill(process.pid, "SIGKILL");
    await work(ms);
    await report({ kind: "end", value });
    return value;
  },
  /** Waits so long for the task "later" of its own queue, and goes on without its result. */
  async waiting(value: unknown, ms = 0): Promise<unknown> {
    await started(value);
    const later = (getTask(fct.queue ?? "") as unknown as Task).handle("later");
    if (ms > 0) await later.waitResult({ timeout: ms }).catch(() => {});
    await report({ kind: "end", value });
    return value;
  },
  /** Ends at once, however long it was told to take. */
  async brief(value: unknown, _ms = 0): Promise<unknown> {
    await started(value);
    await report({ kind: "end", value });
    return value;
  },
  /** Fails in its first attempt. */
  async failing(value: unknown, ms = 0): Promise<unknown> {
    await started(value);
    if (fct.attempt === 1) throw new Error("the first attempt fails");
    await work(ms);
    await report({ kind: "end", value });
    return value;
  },
  /** Works until its signal aborts. */
  async patient(value: unknown, _ms = 0): Promise<unknown> {
    await started(value);
    const { signal } = fct;
    await new Promise<void>((aborted) =>
      signal?.aborted ? aborted() : signal?.addEventListener("abort", () => aborted()),
    );
    await report({ kind: "end", value, atMs: machineMs() });
    throw signal?.reason;
  },
  /** Tells how far it is at its start and at its end. */
  async telling(value: unknown, ms = 0): Promise<unknown> {
    await fct.progress({ from: process.pid });
    await started(value);
    await work(ms);
    await fct.progress({ from: process.pid });
    await report({ kind: "end", value });
    return value;
  },
  /** Pushes a child to its own queue, once however often it runs. */
  async parent(value: unknown, ms = 0): Promise<unknown> {
    await started(value);
    if (value === "parent")
      await (getTask(fct.queue ?? "") as unknown as Task).publish(["child"], { taskId: fct.childId("one") });
    await report({ kind: "end", value });
    if (value === "parent") await work(ms);
    return value;
  },
  /** Keeps the event loop busy: no lease can be renewed meanwhile. */
  async block(value: unknown, ms = 0): Promise<unknown> {
    await started(value);
    const end = performance.now() + ms;
    while (performance.now() < end);
    await report({ kind: "end", value });
    return value;
  },
};

interface Task {
  publish(args: unknown[], options: { readonly taskId: string }): Promise<unknown>;
  handle(id: string): { waitResult(options: { readonly timeout: number }): Promise<unknown> };
}

const die = () => void process.kill(process.pid, "SIGKILL");

/** What is done has been kept, and its acknowledgement never leaves. */
function dyingBeforeAck(broker: Broker): Broker {
  return wrapBroker(broker, ({ consume }) => ({
    consume: (handler, options) =>
      consume(async (delivery) => {
        const settlement = await handler(delivery);
        if (settlement.outcome === "done") die();
        return settlement;
      }, options),
  }));
}

/** Whatever is done before a message is sent is done. */
const dyingAtPublish = (broker: Broker): Broker => wrapBroker(broker, () => ({ publish: async () => die() as never }));

const deaths: Partial<Record<Dying, (broker: Broker) => Broker>> = {
  settling: dyingBeforeAck,
  publishing: dyingAtPublish,
};

/** Tells how the engine took each end. */
function reportSettlements(): void {
  subscribe("funboost:settle:end", (event) => {
    const { taskId, outcome } = event as { readonly taskId: string; readonly outcome: string };
    void report({ kind: "settled", taskId, outcome });
  });
}

async function main(job: ChildJob): Promise<void> {
  wallClock.aheadMs = job.clockMs;
  if (job.settlements) reportSettlements();
  configure({ lease: job.leaseMs, signals: job.signals, log: { level: "silent" } });
  const { create } = (await import(job.create)) as CreateModule;
  const made = await create(job.settings);
  const broker = (job.dies && deaths[job.dies]?.(made)) ?? made;
  const params = {
    queue: job.queue,
    params: ["value", "ms?"],
    ...job.params,
    broker,
    ...(job.dies === "recording" ? { onRecord: die } : {}),
  };
  const task = boost(params as TaskParams, behaviours[job.behaviour]);
  const consumer = job.consume ? await task.consume() : undefined;
  answerCalls({ task: task as unknown as Methods, consumer, broker });
  await report({ kind: "ready" });
}

type Methods = Record<string, (...args: unknown[]) => unknown>;

interface Parts {
  readonly task: Methods;
  consumer: TaskConsumer | undefined;
  readonly broker: Broker;
}

function answerCalls(parts: Parts): void {
  process.on("message", (message) => {
    const { call, method, args } = message as { call: number; method: string; args: unknown[] };
    perform(parts, method, args).then(
      (value) => report({ kind: "answer", call, value: carried(value) }),
      (error: Error) => report({ kind: "answer", call, error: error.stack ?? error.message }),
    );
  });
}

async function perform(parts: Parts, method: string, args: unknown[]): Promise<unknown> {
  if (method === "clock") return void (wallClock.aheadMs = args[0] as number);
  if (method === "consume") return void (parts.consumer = (await parts.task.consume?.(...args)) as TaskConsumer);
  if (method === "shutdown") return shutdown(...(args as Parameters<typeof shutdown>));
  if (method === "closeBroker") return parts.broker.close();
  if (method === "cancel") return (parts.task.handle?.(...args) as Methods | undefined)?.cancel?.();
  if (method === "redrive")
    return (parts.task as unknown as { readonly deadLetters: Methods }).deadLetters.redrive?.(...args);
  const [owner, name] = method.startsWith("consumer.")
    ? [parts.consumer as unknown as Methods, method.slice(9)]
    : [parts.task, method];
  return owner[name]?.(...args);
}

/** Handles and consumers stay here; plain values go to the parent. */
function carried(value: unknown): unknown {
  if (value instanceof Object && "id" in value) return value.id;
  if (Array.isArray(value)) return value.map(carried);
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}

/** Loads what the job will need, and waits for it; ends where nobody will send one. */
async function waitForJob(create: string): Promise<ChildJob> {
  const unwanted = () => process.exit();
  process.on("disconnect", unwanted);
  const job = new Promise<ChildJob>((resolve) => process.once("message", (message) => resolve(message as ChildJob)));
  await ((await import(create)) as CreateModule).warm?.();
  const found = await job;
  process.on("disconnect", () => {}); // a channel that nobody listens to does not keep a process alive
  process.off("disconnect", unwanted);
  return found;
}

await main(await waitForJob(process.argv[2] ?? ""));
