/**
 * Processes that share one rate over one store, in one process and by a clock of its own: their slots and rates are the
 * real ones; timers, answers and stalls come as late as a seed says.
 */
import { memoryStore } from "../../adapters/memory/store.ts";
import { setClock } from "../../src/base/clock.ts";
import type { Store } from "../../src/contract/store.ts";
import type { Limit } from "../../src/options/qps.ts";
import { createGlobalRate } from "../../src/slots/global-rate.ts";
import { createSlots, type Slots } from "../../src/slots/slots.ts";

export interface ModelProcess {
  readonly concurrency: number;
  readonly runMs: number;
  /** When it is killed. */
  readonly killedAt?: number;
  readonly joinsAt?: number;
}

export interface Model {
  readonly limits: readonly Limit[];
  readonly processes: readonly ModelProcess[];
  readonly ms: number;
  readonly seed: number;
  /** For how long each process stands still at a time, at most, and how often a second. */
  readonly stallMs?: number;
  readonly stallsPerSecond?: number;
  /** At most: an answer of the store takes half of it at least. */
  readonly answerMs?: number;
}

/** One process at work. */
interface Worker extends ModelProcess {
  stalledUntil: number;
  dead: boolean;
  readonly starts: number[];
}

interface Event {
  readonly at: number;
  readonly of: Worker;
  readonly run: () => void;
}

/** A number below 1, the same row of them for the same seed. */
export function randomFrom(seed: number): () => number {
  let last = seed;
  return () => (last = (last * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** The starts of each process, in milliseconds since the model began. */
export async function playModel(model: Model): Promise<number[][]> {
  const world = createWorld(model);
  try {
    const workers = model.processes.map((each): Worker => ({ ...each, stalledUntil: 0, dead: false, starts: [] }));
    const store = memoryStore();
    for (const worker of workers) enter(world, worker, store, model);
    await world.play(model.ms);
    return workers.map(({ starts }) => starts);
  } finally {
    setClock();
  }
}

interface World {
  readonly random: () => number;
  now(): number;
  after(ms: number, of: Worker, run: () => void): () => void;
  play(ms: number): Promise<void>;
}

function createWorld({ seed }: Model): World {
  const random = randomFrom(seed);
  let nowMs = 0;
  let current: Worker | undefined;
  const events: Event[] = [];
  const after = (ms: number, of: Worker, run: () => void) => {
    const event = { at: nowMs + ms, of, run };
    let i = events.length;
    while (i > 0 && (events[i - 1] as Event).at > event.at) i--;
    events.splice(i, 0, event);
    return () => {
      const index = events.indexOf(event);
      if (index >= 0) events.splice(index, 1);
    };
  };
  setClock({
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (ms, run) => after(Math.max(1, ms) + random(), current as Worker, run),
  });
  return {
    random,
    now: () => nowMs,
    after,
    async play(ms) {
      for (let event = events.shift(); event && event.at < ms; event = events.shift()) {
        nowMs = Math.max(nowMs, event.at);
        if (event.of.dead) continue;
        if (event.of.stalledUntil > nowMs) {
          after(event.of.stalledUntil - nowMs, event.of, event.run);
          continue;
        }
        current = event.of;
        event.run();
        await settled();
      }
    },
  };
}

function enter(world: World, worker: Worker, store: Store, model: Model): void {
  const { after, random } = world;
  const { stallMs = 0, stallsPerSecond = 0 } = model;
  const { killedAt, joinsAt = 0 } = worker;
  const nextStall = () =>
    after((-Math.log(1 - random()) * 1_000) / stallsPerSecond, worker, () => {
      worker.stalledUntil = world.now() + random() * stallMs;
      nextStall();
    });
  if (stallsPerSecond > 0) nextStall();
  if (killedAt !== undefined) after(killedAt, worker, () => (worker.dead = true));
  after(joinsAt, worker, () => consume(world, worker, distant(world, worker, store, model.answerMs ?? 4), model));
}

/** The same store, at the other end of a wire. */
function distant({ after, random }: World, worker: Worker, store: Store, answerMs: number): Store {
  const way = () =>
    new Promise<void>((arrived) => after((answerMs / 4) * (1 + random()), worker, arrived as () => void));
  const far =
    <Args extends unknown[], Answer>(call: (...args: Args) => Promise<Answer>) =>
    async (...args: Args) => {
      await way();
      const answer = await call(...args);
      await way();
      return answer;
    };
  return { ...store, reserve: far(store.reserve), increment: far(store.increment) };
}

/** With a backlog that does not end, fetched some milliseconds after there is room for it. */
function consume({ after, random, now }: World, worker: Worker, store: Store, { limits }: Model): void {
  const { concurrency, runMs, starts } = worker;
  let [window, held, fetching] = [0, 0, false];
  const fetch = () => {
    if (fetching || held >= window) return;
    fetching = true;
    after(1 + 4 * random(), worker, () => {
      fetching = false;
      for (; held < window; held++)
        void slots.handle({ id: "m", body: {}, attempt: 1, native: undefined }).then(settle);
    });
  };
  const settle = () => {
    held--;
    fetch();
  };
  const slots: Slots = createSlots({
    limit: concurrency,
    maxSuspended: 1_000,
    lookahead: Math.min(2 * concurrency, 100),
    rate: undefined,
    run: () => {
      starts.push(now());
      return new Promise((end) => after(runMs, worker, () => end({ settlement: { outcome: "done" } })));
    },
    setWindow: (n) => {
      window = n;
      fetch();
    },
  });
  const onError = (error: unknown) => {
    throw error;
  };
  slots.setRate(createGlobalRate({ store, key: "model", limits, wake: slots.pump, onError }));
  slots.refreshWindow();
}
