/**
 * qps in one process: evenly spaced starts, and caps over a sliding time. Start n is due at t0 + n/qps; a start up to
 * 20 ms late does not move the later ones.
 */
import { clock } from "../base/clock.ts";
import type { Limit } from "../options/qps.ts";
import { countWhile } from "./count-while.ts";

/** Absorbs late timers: without it 1,000/s loses 8 % (measured). */
export const slackMs = 20;

/** How far ahead of their start messages are fetched. */
export const fetchAheadMs = 250;

export interface Rate {
  /**
   * 0: a start is taken. Else how many milliseconds until one is due, Infinity while that is being asked; nothing is
   * taken. `startable`: deliveries that could start now.
   */
  take(startable: number): number;
  /** How many messages are worth holding unstarted. */
  ahead(): number;
  /** No more is taken: what was reserved for that goes back. Absent where nothing is. */
  end?(): Promise<void>;
}

export function createRate(limits: readonly Limit[]): Rate {
  const rates = limits.map((limit) => (limit.spaced ? createSpacedRate(limit) : createCap(limit)));
  const [only] = rates;
  if (only && rates.length === 1) return createOnlyRate(only);
  return {
    take() {
      const now = clock.monotonic();
      const waitMs = Math.max(...rates.map((each) => each.dueIn(now)));
      if (waitMs > 0) return waitMs;
      for (const each of rates) each.take(now);
      return 0;
    },
    ahead() {
      const now = clock.monotonic();
      return Math.min(...rates.map((each) => each.ahead(now)));
    },
  };
}

/** By hand: it is asked twice for each run. */
function createOnlyRate(only: LimitRate): Rate {
  return {
    take() {
      const now = clock.monotonic();
      const waitMs = only.dueIn(now);
      if (waitMs <= 0) only.take(now);
      return waitMs;
    },
    ahead: () => only.ahead(clock.monotonic()),
  };
}

/** Of one limit. */
interface LimitRate {
  dueIn(now: number): number;
  take(now: number): void;
  ahead(now: number): number;
}

function createSpacedRate({ count, perMs }: Limit): LimitRate {
  const everyMs = perMs / count;
  const ahead = aheadOf({ count, perMs });
  let due = Number.NEGATIVE_INFINITY;
  return {
    dueIn: (now) => (now < due ? due - now : 0),
    take(now) {
      // Slower than one start per slack: after an idle time count from now. Faster: late timers are the rule, catch up
      // by the slack.
      const base = due >= now - slackMs ? due : everyMs > slackMs ? now : now - slackMs;
      due = base + everyMs;
    },
    ahead: () => ahead,
  };
}

/** Remembers the last `count` starts: the next is due when the oldest of them is `perMs` ago. */
function createCap({ count, perMs }: Limit): LimitRate {
  const starts: number[] = [];
  let next = 0;
  const dueIn = (now: number) => (starts.length < count ? 0 : Math.max(0, (starts[next] as number) + perMs - now));
  /** How many may start until then; the starts are in order from the oldest on. */
  const freeUntil = (then: number) => {
    const oldest = starts.length < count ? 0 : next;
    return (
      count - starts.length + countWhile(starts.length, (i) => (starts[(oldest + i) % count] as number) + perMs <= then)
    );
  };
  return {
    dueIn,
    take(now) {
      starts[next] = now;
      next = (next + 1) % count;
    },
    ahead: (now) => Math.max(1, freeUntil(now + fetchAheadMs)),
  };
}

/** What a spaced limit starts in a quarter of a second. */
export function aheadOf({ count, perMs }: Pick<Limit, "count" | "perMs">): number {
  return Math.max(1, Math.ceil((fetchAheadMs * count) / perMs));
}
