/**
 * The moments at which one process may start something, as it has reserved them in the store. One that comes too late
 * is not used: it is given back, so that another takes its place.
 */

/** When it is due, as near as we know: between these two, which are as far apart as the store's answer took. */
export interface Moment {
  readonly from: number;
  readonly to: number;
  /** The store's, by which it is given back. */
  readonly number: number;
}

export interface Moments {
  /** They may be used so much late. */
  add(moments: readonly Moment[], lateMs: number): void;
  /**
   * 0: one is used. Else in how many milliseconds that may be tried again, Infinity when only more moments can help.
   */
  take(now: number): number;
  /** Those that may still be used. */
  ahead(now: number): number;
  last(): number;
  /** Those that came too late, and are not given back. */
  late(now: number): number;
  /** The numbers of these, once. */
  unused(now: number): readonly number[];
  /** None is used any more: all count as too late. */
  end(): void;
  /** When the first is too late, Infinity where there is none. */
  lateAt(): number;
}

/** Too late to be given back: its place in the row is about to come again. */
const oldMs = 500;
/** At most so many at once. */
const mostUnused = 128;

interface Pending extends Moment {
  readonly until: number;
}

export function createMoments(): Moments {
  const pending: Pending[] = []; // by `to`
  let late: Pending[] = [];
  const dropLate = (now: number) => {
    while ((pending[0]?.until ?? now) < now) late.push(pending.shift() as Pending);
  };
  return {
    add(moments, lateMs) {
      for (const each of moments) pending.push({ ...each, until: each.from + lateMs });
      pending.sort((a, b) => a.to - b.to);
    },
    take(now) {
      dropLate(now);
      const [first] = pending;
      if (!first) return Number.POSITIVE_INFINITY;
      if (first.to > now) return first.to - now;
      pending.shift();
      return 0;
    },
    ahead(now) {
      dropLate(now);
      return pending.length;
    },
    last: () => pending.at(-1)?.to ?? 0,
    late(now) {
      dropLate(now);
      return late.length;
    },
    unused(now) {
      dropLate(now);
      const young = late.filter(({ from }) => from > now - oldMs);
      late = [];
      return young.slice(-mostUnused).map(({ number }) => number);
    },
    end() {
      late.push(...pending.splice(0));
    },
    lateAt: () => pending[0]?.until ?? Number.POSITIVE_INFINITY,
  };
}
