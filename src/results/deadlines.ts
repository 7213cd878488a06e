/** Until when each wait of a process waits: one timer for all, however many they are. */
import { clock } from "../base/clock.ts";

export interface Waiter {
  /** It has waited for so long, ... */
  readonly timeoutMs: number;
  /** ... which is then, on the monotonic clock: set when it is added. */
  until: number;
  late(): void;
}

export interface Deadlines {
  add(waiter: Waiter): void;
  delete(waiter: Waiter): void;
}

/** Those that wait equally long are late in the order in which they came. */
type Lines = Map<number, Set<Waiter>>;

export function createDeadlines(): Deadlines {
  const lines: Lines = new Map();
  let setFor = Number.POSITIVE_INFINITY;
  let unset = () => {};
  /** Not unref'd: the process stays for as long as somebody waits. */
  const setTo = (until: number) => {
    unset();
    setFor = until;
    unset = until === Number.POSITIVE_INFINITY ? () => {} : clock.after(until - clock.monotonic(), ring);
  };
  const ring = () => {
    endLate(lines);
    setTo(firstOf(lines));
  };
  return {
    add(waiter) {
      const { timeoutMs } = waiter;
      waiter.until = clock.monotonic() + timeoutMs;
      const line = lines.get(timeoutMs) ?? new Set();
      if (line.size === 0) lines.set(timeoutMs, line);
      line.add(waiter);
      if (waiter.until < setFor) setTo(waiter.until);
    },
    delete(waiter) {
      const line = lines.get(waiter.timeoutMs);
      if (!line?.delete(waiter)) return;
      if (line.size === 0) lines.delete(waiter.timeoutMs);
      if (lines.size === 0) setTo(Number.POSITIVE_INFINITY);
    },
  };
}

function firstOf(lines: Lines): number {
  let first = Number.POSITIVE_INFINITY;
  for (const line of lines.values())
    for (const { until } of line) {
      first = Math.min(first, until);
      break;
    }
  return first;
}

/** A timer may come a little early: what is not late yet stays. */
function endLate(lines: Lines): void {
  const now = clock.monotonic();
  for (const [timeoutMs, line] of lines) {
    for (const waiter of line) {
      if (waiter.until > now) break;
      line.delete(waiter);
      waiter.late();
    }
    if (line.size === 0 && lines.get(timeoutMs) === line) lines.delete(timeoutMs);
  }
}

export const deadlines = createDeadlines();
