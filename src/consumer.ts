/** Consuming one task's queue in this process. */
import { clock, sleep } from "./clock.ts";
import type { BrokerQueue, Consumer, Delivery } from "./contract/broker.ts";
import { createRate } from "./controls/rate.ts";
import { type Definition, sameBroker } from "./definition.ts";
import { type Duration, durationMs } from "./duration.ts";
import { startDuties } from "./duties.ts";
import { describe, FunboostError, isFunboostError } from "./errors.ts";
import { type Closable, shared } from "./global.ts";
import { createRunner } from "./run.ts";
import { type Runtime, resolve } from "./runtime.ts";
import { installSignalHandlers } from "./shutdown.ts";
import { createSlots, type Slots } from "./slots.ts";
import { createTrouble, type Trouble } from "./trouble.ts";

export interface ConsumeOptions {
  /** Runs at once in this process; the task's own value when absent. */
  readonly concurrency?: number;
}

/** One process's consuming of one task. `pause` and `resume` act on this process; the task's own act on the queue. */
export interface TaskConsumer {
  pause(): void;
  resume(): void;
  setConcurrency(n: number): void;
  status(): ConsumerStatus;
  /** Stops fetching, lets runs finish within `grace` (default 30 s), and flushes. */
  close(options?: { readonly grace?: Duration }): Promise<void>;
}

export interface ConsumerStatus {
  readonly queue: string;
  /** Runs under way, those that wait for other tasks included. */
  readonly running: number;
  readonly held: number;
  readonly paused: boolean;
  /** Milliseconds since something was fetched. */
  readonly sinceFetchMs: number | undefined;
}

const tooLate = "a run ended too late to count: its lease was lost, or its message removed; the task may run twice. Does it block the event loop for seconds?";
const defaultGraceMs = 30_000;

export async function consume(definition: Definition, { concurrency, ...rest }: ConsumeOptions = {}): Promise<TaskConsumer> {
  const [unknown] = Object.keys(rest);
  if (unknown) throw new FunboostError("BAD_OPTION", `consume() does not know "${unknown}". It knows: concurrency.`, { where: definition.params.queue });
  if (concurrency !== undefined) checkConcurrency(concurrency);
  await takeOver(definition);
  const closed = { value: false };
  const entry: Closable = { definition, close: async () => void (closed.value = true) };
  const keepAlive = setInterval(() => {}, 2 ** 30); // sockets are unref'd: a consuming process stays
  const forget = () => {
    clearInterval(keepAlive);
    shared().consumers.delete(entry);
  };
  shared().consumers.add(entry); // before the first await, so that two calls at once are seen
  try {
    const runtime = await insistOnOpening(definition, closed);
    const consumer = await start(runtime, concurrency ?? runtime.options.concurrency);
    const close: TaskConsumer["close"] = (options) => consumer.close(options).finally(forget);
    entry.close = ({ graceMs }) => close({ grace: graceMs });
    if (shared().config.signals !== false) installSignalHandlers();
    return { ...consumer, close };
  } catch (error) {
    forget();
    throw error;
  }
}

export function checkConcurrency(n: unknown): asserts n is number {
  if (!Number.isInteger(n) || (n as number) < 1 || (n as number) > 100_000)
    throw new FunboostError("BAD_OPTION", `concurrency must be a whole number from 1 to 100000, got ${describe(n)}.`);
}

/** Two functions that consume one queue are a mistake; the same function defined again (hot reload) replaces the older. */
async function takeOver(definition: Definition): Promise<void> {
  const other = [...shared().consumers].find((each) => each.definition.params.queue === definition.params.queue && sameBroker(each.definition, definition));
  if (!other) return;
  const reloaded = other.definition !== definition && other.definition.fn?.name && other.definition.fn.name === definition.fn?.name;
  if (!reloaded) {
    const who = other.definition === definition ? "this task" : `another function, ${other.definition.fn?.name || "(anonymous)"}`;
    throw new FunboostError(
      "TWO_CONSUMERS",
      `Queue "${definition.params.queue}" is consumed already, by ${who}. Close that consumer first, or give each function its own queue.`,
    );
  }
  shared().consumers.delete(other);
  await other.close({ graceMs: defaultGraceMs });
}

/** A server that is down now may be up soon: say so once, and keep trying. What will never work rejects. */
async function insistOnOpening(definition: Definition, closed: { value: boolean }): Promise<Runtime> {
  const trouble = createTrouble(definition);
  for (let pauseMs = 200; ; pauseMs = Math.min(pauseMs * 2, 5_000)) {
    try {
      const runtime = await resolve(definition);
      trouble.over();
      return runtime;
    } catch (error) {
      if (!isFunboostError(error) || error.code !== "BROKER_DOWN" || closed.value) throw error;
      trouble.report(error);
      await sleep(pauseMs);
    }
  }
}

/** What may keep a consumer from starting runs. */
interface Flags {
  here: boolean;
  queue: boolean;
  closing: boolean;
}

async function start(runtime: Runtime, concurrency: number): Promise<TaskConsumer> {
  const { options, queue } = runtime;
  const live = new Set<AbortController>();
  const trouble = createTrouble(runtime.definition, runtime.log);
  let engine: Consumer | undefined;
  const slots = createSlots({
    limit: concurrency,
    maxSuspended: options.maxSuspended,
    lookahead: Math.min(options.prefetch ?? concurrency * 2, queue.lookahead),
    rate: options.qps === undefined ? undefined : createRate(options.qps),
    run: createRunner(runtime, live),
    setWindow: (n) => engine?.setWindow(n),
  });
  const flags: Flags = { here: false, queue: (await queue.paused?.()) ?? false, closing: false };
  const set = (change: Partial<Flags>) => {
    Object.assign(flags, change);
    slots.setOpen(!flags.here && !flags.queue && !flags.closing);
  };
  set({});
  engine = await queue.consume(...listeners(runtime, slots, trouble));
  slots.refreshWindow();
  const stopDuties = startDuties(runtime, engine, trouble.report, (paused) => set({ queue: paused }));
  return consumerOf(runtime, { slots, engine, live, flags, set, stopDuties });
}

function listeners({ options, log }: Runtime, slots: Slots, trouble: Trouble): Parameters<BrokerQueue["consume"]> {
  const handler = (delivery: Delivery) => {
    trouble.over();
    return slots.handle(delivery);
  };
  const onSettled = (delivery: Delivery, how: "applied" | "stale") => {
    if (how === "stale") log.warn({ queue: options.queue, taskId: delivery.id }, tooLate);
  };
  return [handler, { signal: false, onSettled, onError: trouble.report }];
}

interface Parts {
  readonly slots: Slots;
  readonly engine: Consumer;
  readonly live: Set<AbortController>;
  readonly flags: Readonly<Flags>;
  set(change: Partial<Flags>): void;
  stopDuties(): Promise<void>;
}

function consumerOf(runtime: Runtime, parts: Parts): TaskConsumer {
  const { slots, engine, flags, set } = parts;
  let closing: Promise<void> | undefined;
  return {
    pause: () => set({ here: true }),
    resume: () => set({ here: false }),
    setConcurrency: (n) => {
      checkConcurrency(n);
      slots.setLimit(n);
    },
    status: () => statusOf(runtime, slots, engine, flags.here || flags.queue),
    close: ({ grace = defaultGraceMs } = {}) => (closing ??= finish(parts, durationMs(grace, "grace"))),
  };
}

async function finish({ slots, engine, live, set, stopDuties }: Parts, graceMs: number): Promise<void> {
  set({ closing: true });
  try {
    await drain(slots, engine, live, graceMs);
  } finally {
    await stopDuties();
  }
}

function statusOf({ options }: Runtime, slots: Slots, engine: Consumer, paused: boolean): ConsumerStatus {
  const { held, lastFetchAt } = engine.status();
  return {
    queue: options.queue,
    running: slots.running(),
    held: held.length,
    paused,
    sinceFetchMs: lastFetchAt === undefined ? undefined : clock.monotonic() - lastFetchAt,
  };
}

/** Runs finish within the grace time; then their signals abort, and what still runs is left to be redelivered. */
async function drain(slots: Slots, engine: Consumer, live: Set<AbortController>, graceMs: number): Promise<void> {
  engine.setWindow(0);
  const settled = slots.idle().then(() => engine.close());
  if (await within(settled, graceMs)) return;
  for (const controller of live) controller.abort(new FunboostError("SHUT_DOWN", "the process stops"));
  if (await within(settled, Math.min(graceMs, 1_000))) return;
  await engine.close({ force: true });
}

async function within(work: Promise<void>, ms: number): Promise<boolean> {
  const stop = new AbortController();
  try {
    return await Promise.race([work.then(() => true), sleep(ms, { signal: stop.signal }).then(() => false)]);
  } finally {
    stop.abort();
  }
}
