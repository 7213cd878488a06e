/**
 * qps over all processes: starts are reserved in the store, each for a delivery that could start now.
 *
 * A spaced limit is one row of evenly spaced moments that all processes draw from. A cap of `count` in `perMs` is `count` such rows, drawn from in
 * turn, each with moments `perMs` apart: so any `count + 1` starts in a row span at least `perMs`.
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

interface State extends GlobalRateOptions {
  /** When the reserved starts are due, on our monotonic clock. */
  readonly due: number[];
  asking: boolean;
  notBefore: number;
}

export function createGlobalRate(options: GlobalRateOptions): Rate {
  const state: State = { ...options, due: [], asking: false, notBefore: 0 };
  const ahead = Math.min(...options.limits.map((limit) => (limit.spaced ? aheadOf(limit) : Number.POSITIVE_INFINITY)), most);
  return {
    take(startable) {
      const { due } = state;
      const now = clock.monotonic();
      while (due.length > 0 && (due[0] as number) < now - slackMs) due.shift(); // too late: started now, it would come on top of others'
      if (due.length > 0 && (due[0] as number) <= now) {
        due.shift();
        return 0;
      }
      if (due.length < startable && (due.at(-1) ?? 0) < now + fetchAheadMs) ask(state, startable - due.length);
      return due.length > 0 ? (due[0] as number) - now : Number.POSITIVE_INFINITY;
    },
    ahead: () => ahead,
  };
}

function ask(state: State, wanted: number): void {
  if (state.asking || clock.monotonic() < state.notBefore) return;
  state.asking = true;
  const count = Math.min(wanted, most);
  const asked = clock.monotonic();
  reserveAll(state, count).then(
    (waits) => {
      state.asking = false;
      const answered = (asked + clock.monotonic()) / 2; // the store's now, as near as we can know it
      for (const waitMs of waits) state.due.push(answered + waitMs);
      state.wake();
    },
    (error: unknown) => {
      state.asking = false;
      state.notBefore = clock.monotonic() + againMs;
      clock.after(againMs, state.wake, { unref: true });
      state.onError(error);
    },
  );
}

/** For each start how many milliseconds from now it is due by all limits. */
async function reserveAll({ store, key, limits }: State, count: number): Promise<readonly number[]> {
  const rows = await Promise.all(
    limits.map((limit, i) => (limit.spaced ? reserveSpaced(store, key, limit, count) : reserveCapped(store, `${key}:${i}`, limit, count))),
  );
  return Array.from({ length: count }, (_, n) => Math.max(...rows.map((row) => row[n] ?? 0))).sort((a, b) => a - b);
}

function reserveSpaced(store: Store, key: string, { perMs, count }: Limit, starts: number): Promise<readonly number[]> {
  return store.reserve(key, { perMs: perMs / count, count: starts, slackMs });
}

async function reserveCapped(store: Store, key: string, { perMs, count }: Limit, starts: number): Promise<readonly number[]> {
  const [after = starts] = await store.increment([{ key: `${key}:next`, by: starts }]);
  const row = (n: number) => `${key}:${(after - starts + n) % count}`;
  // One start may be late by the slack and the next in its row on time: their distance is still `perMs`.
  const each = await Promise.all(Array.from({ length: starts }, (_, n) => store.reserve(row(n), { perMs: perMs + slackMs, count: 1, slackMs: 0 })));
  return each.map(([waitMs = 0]) => waitMs);
}
