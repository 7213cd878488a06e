/**
 * qps over all processes: starts are reserved in the store, each for a delivery that could start now.
 *
 * A spaced limit is one row of evenly spaced moments that all processes draw from. A cap of `count` in `perMs` is `count` such rows, drawn from in
 * turn, each with moments `perMs` apart: so any `count + 1` starts in a row span at least `perMs`. With several limits a start goes from one to the
 * next when it is due, spaced first, then the shorter cap: what it draws is for the moment at which it starts.
 */
import { clock } from "../clock.ts";
import type { Store } from "../contract/store.ts";
import { aheadOf, fetchAheadMs, type Limit, type Rate, slackMs } from "./rate.ts";

export interface GlobalRateOptions {
  readonly store: Store;
  /** The same for all consumers of the queue. */
  readonly key: string;
  readonly limits: readonly Limit[];
  /** Something became due, or may be asked again. */
  readonly wake: () => void;
  /** The store does not answer: nothing starts until it does. */
  readonly onError: (error: unknown) => void;
}

/** After the store failed. */
const againMs = 500;
/** At most so many reservations in one call. */
const most = 1_000;
/** At most this part of a cap is reserved in one call: those that are for later are lost with the process. */
const capPart = 10;

interface State extends GlobalRateOptions {
  /** One for each limit: when the starts that have drawn from it are due, on our monotonic clock. */
  readonly stages: readonly { readonly limit: Limit; readonly key: string; readonly due: number[] }[];
  /** Drawing now. */
  asking: number;
  notBefore: number;
}

export function createGlobalRate(options: GlobalRateOptions): Rate {
  const { limits, key } = options;
  const order = [...limits].sort((a, b) => Number(b.spaced) - Number(a.spaced) || a.perMs - b.perMs);
  // The limit is part of the key: what another one had reserved before a live change says nothing about this one.
  const stages = order.map((limit) => ({ limit, key: `${key}:${limit.count}/${limit.perMs}`, due: [] }));
  const state: State = { ...options, stages, asking: 0, notBefore: 0 };
  const ahead = Math.min(...limits.map((limit) => (limit.spaced ? aheadOf(limit) : Number.POSITIVE_INFINITY)), most);
  return {
    take: (startable) => take(state, startable),
    ahead: () => (isFar(state, clock.monotonic()) ? Math.min(ahead, Math.max(1, reserved(state))) : ahead),
  };
}

/** Starts that have drawn from a limit, or do now. */
function reserved({ stages, asking }: State): number {
  return stages.reduce((all, { due }) => all + due.length, asking);
}

/** A limit is used up for now: nothing more need be reserved, or held. */
function isFar({ stages }: State, now: number): boolean {
  return stages.some(({ due }) => (due.at(-1) ?? 0) >= now + fetchAheadMs);
}

function chunkOf({ limit }: State["stages"][number]): number {
  return Math.min(most, limit.spaced ? aheadOf(limit) : Math.ceil(limit.count / capPart));
}

function take(state: State, startable: number): number {
  const { stages } = state;
  const now = clock.monotonic();
  const last = stages.at(-1)?.due ?? [];
  while (last.length > 0 && (last[0] as number) < now - slackMs) last.shift(); // too late: started now, it would come on top of others'
  if (last.length > 0 && (last[0] as number) <= now) {
    last.shift();
    return 0;
  }
  for (const [i, { due }] of stages.slice(0, -1).entries()) {
    const ready = due.findIndex((each) => each > now);
    const count = due.splice(0, ready < 0 ? due.length : ready).length;
    if (count > 0) draw(state, i + 1, count);
  }
  const wanted = startable - reserved(state);
  const [first] = stages;
  if (first && wanted > 0 && state.asking === 0 && !isFar(state, now) && now >= state.notBefore) draw(state, 0, Math.min(wanted, chunkOf(first)));
  const next = Math.min(...stages.map(({ due }) => due[0] ?? Number.POSITIVE_INFINITY));
  return next === Number.POSITIVE_INFINITY ? next : Math.max(1, next - now);
}

/** So many starts draw from this limit. */
function draw(state: State, stage: number, count: number): void {
  const from = state.stages[stage] as State["stages"][number];
  const asked = clock.monotonic();
  state.asking += count;
  reserve(state.store, from, count).then(
    (waits) => {
      state.asking -= count;
      const answered = (asked + clock.monotonic()) / 2; // the store's now, as near as we can know it
      for (const waitMs of waits) from.due.push(answered + waitMs);
      from.due.sort((a, b) => a - b);
      state.wake();
    },
    (error: unknown) => {
      state.asking -= count;
      state.notBefore = clock.monotonic() + againMs;
      clock.after(againMs, state.wake, { unref: true });
      state.onError(error);
    },
  );
}

/** For each start how many milliseconds from now it is due. */
async function reserve(store: Store, { limit, key }: State["stages"][number], starts: number): Promise<readonly number[]> {
  const { perMs, count, spaced } = limit;
  if (spaced) return store.reserve(key, { perMs: perMs / count, count: starts, slackMs });
  const [after = starts] = await store.increment([{ key: `${key}:next`, by: starts }]);
  const row = (n: number) => `${key}:${(after - starts + n) % count}`;
  // One start may be late by the slack and the next in its row on time: their distance is still `perMs`.
  const each = await Promise.all(Array.from({ length: starts }, (_, n) => store.reserve(row(n), { perMs: perMs + slackMs, count: 1, slackMs: 0 })));
  return each.map(([waitMs = 0]) => waitMs);
}
