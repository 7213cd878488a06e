/**
 * A model of processes that die: one queue with leases, one process after the other, the real slots and the real count
 * of crashes, on a clock that goes on by hand. What runs is time only.
 */
import { clock, sleep } from "../../src/base/clock.ts";
import type { Delivery, Settlement, Store } from "../../src/contract/index.ts";
import { type CrashTask, crashedTooOften, lossesOf, markedStart } from "../../src/run/crashes.ts";
import type { RunEnd, Slot } from "../../src/slots/slot.ts";
import { createSlots, type Slots } from "../../src/slots/slots.ts";

export interface Work {
  readonly name: string;
  /** The process dies so long after its start. */
  readonly killsAfterMs?: number;
  /** Works so long, then waits so long for others, then has done. */
  readonly ms?: number;
  readonly waitsMs?: number;
}

interface Message extends Work {
  readonly place: number;
  readonly publishedAt: number;
  crashes: number;
  dueAt: number;
}

interface Process {
  alive: boolean;
  readonly held: Set<Message>;
  window: number;
  slots: Slots;
}

export interface WorldOptions {
  readonly concurrency: number;
  readonly store: Store | undefined;
  readonly maxCrashes?: number;
  /** From a kill until what was held is delivered again. */
  readonly leaseMs: number;
  /** From a kill until the next process consumes. */
  readonly restartMs: number;
  /** From a settlement until the engine has it; what is held until then is lost with its process. @default none */
  readonly settleMs?: number;
}

export interface World {
  publish(work: Work): void;
  start(): void;
  kill(): void;
  /** In order; `waitedMs` since it was published. */
  readonly starts: { readonly name: string; readonly at: number; readonly waitedMs: number }[];
  readonly done: Map<string, number>;
  readonly dead: Map<string, number>;
  readonly kills: number[];
}

export function crashWorld(options: WorldOptions): World {
  const { concurrency, store, maxCrashes = 5, leaseMs, restartMs, settleMs = 0 } = options;
  const task = { options: { queue: "q", maxCrashes }, scope: "q", store, log: console } as unknown as CrashTask;
  const world: World = { publish, start, kill, starts: [], done: new Map(), dead: new Map(), kills: [] };
  let queue: Message[] = [];
  let places = 0;
  let current: Process | undefined;

  function publish(work: Work): void {
    put({ ...work, place: places++, publishedAt: clock.monotonic(), crashes: 0, dueAt: 0 });
  }

  function put(...messages: Message[]): void {
    queue = [...queue, ...messages].sort((a, b) => a.place - b.place);
    setImmediate(fetch);
  }

  function start(): void {
    const process = { alive: true, held: new Set<Message>(), window: 0 } as Process;
    process.slots = createSlots({
      limit: concurrency,
      maxSuspended: 1_000,
      lookahead: 0,
      rate: undefined,
      run: (delivery, slot) => run(process, delivery, slot),
      lossesOf: (delivery) => lossesOf(task, delivery),
      setWindow(n) {
        process.window = n;
        setImmediate(fetch);
      },
    });
    current = process;
    process.slots.refreshWindow();
  }

  function fetch(): void {
    const process = current;
    if (!process?.alive) return;
    const now = clock.monotonic();
    const due = queue.filter(({ dueAt }) => dueAt <= now).slice(0, Math.max(0, process.window - process.held.size));
    queue = queue.filter((each) => !due.includes(each));
    for (const message of due) deliver(process, message);
  }

  function deliver(process: Process, message: Message): void {
    const { name: id, crashes } = message;
    process.held.add(message);
    const delivery = { id, body: {}, attempt: 1, publishedAt: 1, crashes, native: message };
    void process.slots.handle(delivery).then(async (settlement) => {
      if (settleMs > 0) await sleep(settleMs);
      if (!process.alive) return;
      settle(process, message, settlement);
      process.slots.settled(delivery);
    });
  }

  function settle(process: Process, message: Message, settlement: Settlement): void {
    process.held.delete(message);
    if (settlement.outcome === "returned") put(message);
    if (settlement.outcome === "postponed") {
      put({ ...message, place: places++, dueAt: clock.monotonic() + settlement.delayMs });
      clock.after(settlement.delayMs, fetch);
    }
    if (settlement.outcome === "done") world.done.set(message.name, clock.monotonic());
    if (settlement.outcome === "failed") world.dead.set(message.name, clock.monotonic());
    setImmediate(fetch);
  }

  async function run(process: Process, delivery: Delivery, slot: Slot): Promise<RunEnd> {
    const never = new Promise<never>(() => {});
    const message = delivery.native as Message;
    if (!process.alive) return never;
    if (!delivery.crashes) return { settlement: await work(process, message, slot) };
    if (await crashedTooOften(task, delivery, slot.trial))
      return { settlement: { outcome: "failed", error: new Error("it kills") } };
    const marked = markedStart(task, delivery, slot);
    const settlement = await work(process, message, marked.slot);
    if (!process.alive) return never;
    await marked.forget();
    return { settlement };
  }

  async function work(process: Process, message: Message, slot: Slot): Promise<Settlement> {
    const { name, ms = 0, waitsMs, killsAfterMs } = message;
    const at = clock.monotonic();
    world.starts.push({ name, at, waitedMs: at - message.publishedAt });
    await sleep(killsAfterMs ?? ms);
    if (killsAfterMs !== undefined && process.alive) kill();
    if (waitsMs !== undefined) {
      const resume = slot.suspend();
      await sleep(waitsMs);
      if (process.alive) await resume();
    }
    return process.alive ? { outcome: "done" } : new Promise<never>(() => {});
  }

  function kill(): void {
    const process = current as Process;
    process.alive = false;
    process.slots.setMode("closed");
    world.kills.push(clock.monotonic());
    const lost = [...process.held];
    clock.after(leaseMs, () => put(...lost.map((each) => ({ ...each, crashes: each.crashes + 1 }))));
    clock.after(restartMs, start);
  }

  return world;
}
