/**
 * Which delivery may run now. Pure bookkeeping: no engine, no task.
 *
 * A run takes a slot. While it waits for another task it is suspended: its slot is free for others, and it takes the
 * next free one when its wait ends, before any new delivery. So the limit is never exceeded, and waiting cannot deadlock:
 * at `maxSuspended` only deliveries marked `ahead` (children of running tasks) may start.
 */
import { clock } from "./clock.ts";
import type { Delivery, Settlement } from "./contract/broker.ts";
import type { Rate } from "./controls/rate.ts";

/** A run under way, as far as slots are concerned. */
export interface Ended {
  readonly settlement: Settlement;
  /** Resolves when the function has really returned: after a timeout it may still be at work. */
  readonly returned?: Promise<unknown> | undefined;
}

export interface SlotsOptions {
  limit: number;
  readonly maxSuspended: number;
  readonly lookahead: number;
  readonly rate: Rate | undefined;
  readonly run: (delivery: Delivery, slot: Slot) => Promise<Ended>;
  readonly setWindow: (n: number) => void;
}

export interface Slot {
  suspend(): () => Promise<void>;
}

interface Waiting {
  readonly delivery: Delivery;
  readonly settle: (settlement: Settlement | Promise<Settlement>) => void;
}

export interface Slots {
  handle(delivery: Delivery): Promise<Settlement>;
  setLimit(n: number): void;
  /** Sends the window again, to an adapter that has only now begun to consume. */
  refreshWindow(): void;
  /** Closed: nothing starts, what waits here is returned. */
  setOpen(open: boolean): void;
  readonly running: number;
  /** Settles when nothing runs. */
  idle(): Promise<void>;
}

const returned: Settlement = { outcome: "returned" };

export function createSlots(options: SlotsOptions): Slots {
  const { maxSuspended, rate } = options;
  const ahead: Waiting[] = [];
  const waiting: Waiting[] = [];
  const resuming: (() => void)[] = [];
  const idlers: (() => void)[] = [];
  let limit = options.limit;
  let open = true;
  let running = 0;
  let suspended = 0;
  /** A delivery that has twice lost its process: it runs with nothing beside it. */
  let alone: Waiting | undefined;
  let aloneStarted = false;
  let sentWindow = -1;
  let sending = false;
  let cancelTimer: (() => void) | undefined;

  function mayStart(delivery: Delivery): boolean {
    if (!open || running >= limit || resuming.length > 0) return false;
    if (alone) return running === 0 && (aloneStarted ? delivery.ahead === true : delivery === alone.delivery);
    return delivery.ahead === true || suspended < maxSuspended;
  }

  function handle(delivery: Delivery): Promise<Settlement> {
    if ((delivery.crashes ?? 0) >= 2 && !(alone && aloneStarted && delivery.ahead)) return handleAlone(delivery);
    if (ahead.length + waiting.length === 0 && mayStart(delivery) && (!rate || rate.take() === 0)) return begin(delivery);
    if (!open || (alone && !delivery.ahead)) return Promise.resolve(returned);
    if (!delivery.ahead && suspended >= maxSuspended && waiting.length >= limit) return Promise.resolve({ outcome: "postponed", delayMs: 250 });
    return new Promise((settle) => {
      (delivery.ahead ? ahead : waiting).push({ delivery, settle });
      pump();
      updateWindow();
    });
  }

  function handleAlone(delivery: Delivery): Promise<Settlement> {
    if (alone || !open) return Promise.resolve(returned);
    return new Promise((settle) => {
      alone = { delivery, settle };
      aloneStarted = false;
      returnWaiting();
      pump();
      updateWindow();
    });
  }

  function returnWaiting(): void {
    // Last first: each goes to the front, so the first ends up foremost.
    for (const list of [waiting, ahead]) for (const each of list.splice(0).reverse()) each.settle(returned);
  }

  async function begin(delivery: Delivery): Promise<Settlement> {
    running++;
    if (rate) updateWindow();
    const ended = await options.run(delivery, slotOf());
    if (ended.returned) ended.returned.then(release);
    else release();
    return ended.settlement;
  }

  function release(): void {
    running--;
    if (resuming.length > 0 || ahead.length > 0 || waiting.length > 0 || alone) pump();
    if (rate || alone) updateWindow();
    if (running === 0 && suspended === 0) for (const wake of idlers.splice(0)) wake();
  }

  function slotOf(): Slot {
    let waits = 0;
    return {
      suspend() {
        if (++waits === 1) {
          running--;
          suspended++;
          pump();
          updateWindow();
        }
        return () => (--waits === 0 ? resume() : Promise.resolve());
      },
    };
  }

  function resume(): Promise<void> {
    return new Promise((taken) => {
      resuming.push(() => {
        running++;
        suspended--;
        taken();
      });
      pump();
      updateWindow();
    });
  }

  function pump(): void {
    while (resuming.length > 0 && running < limit) resuming.shift()?.();
    if (alone && !aloneStarted && mayStart(alone.delivery)) return startAlone(alone);
    for (let next = nextWaiting(); next; next = nextWaiting()) {
      const waitMs = rate ? rate.take() : 0;
      if (waitMs > 0) return wakeIn(waitMs);
      const entry = next.shift();
      entry?.settle(begin(entry.delivery));
    }
  }

  function nextWaiting(): Waiting[] | undefined {
    const list = ahead.length > 0 ? ahead : waiting;
    return list[0] && mayStart(list[0].delivery) ? list : undefined;
  }

  function startAlone(entry: Waiting): void {
    aloneStarted = true;
    const settled = begin(entry.delivery).finally(() => {
      alone = undefined;
      pump();
      updateWindow();
    });
    entry.settle(settled);
  }

  function wakeIn(ms: number): void {
    if (cancelTimer) return;
    cancelTimer = clock.after(ms, () => {
      cancelTimer = undefined;
      pump();
    });
  }

  /** What the adapter may hold: all that runs or is suspended, and a little that waits here. */
  function wanted(): number {
    if (!open) return 0;
    if (alone) return suspended + 1;
    const blocked = suspended >= maxSuspended ? Math.min(waiting.length, limit) : 0;
    const all = suspended + limit + options.lookahead + blocked;
    return rate ? Math.min(all, suspended + running + rate.ahead()) : all;
  }

  function updateWindow(): void {
    if (sending) return;
    sending = true;
    setImmediate(() => {
      sending = false;
      const n = wanted();
      if (n === sentWindow || isJitter(n)) return;
      sentWindow = n;
      options.setWindow(n);
    });
  }

  /** A rate makes the window breathe with each start; engines pay for each change. */
  function isJitter(n: number): boolean {
    return rate !== undefined && n > 64 && sentWindow > suspended + running && Math.abs(n - sentWindow) < n / 8;
  }

  updateWindow();
  return {
    handle,
    setLimit(n) {
      limit = n;
      pump();
      updateWindow();
    },
    refreshWindow() {
      sentWindow = -1;
      updateWindow();
    },
    setOpen(value) {
      open = value;
      if (!open) {
        returnWaiting();
        if (alone && !aloneStarted) {
          alone.settle(returned);
          alone = undefined;
        }
      }
      pump();
      updateWindow();
    },
    get running() {
      return running + suspended;
    },
    idle: () => (running + suspended === 0 ? Promise.resolve() : new Promise((wake) => idlers.push(wake))),
  };
}
