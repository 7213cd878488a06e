/** The server's clock: neither a jump of ours nor a skew between machines moves a lock or a due time. */
import { clock } from "../../src/base/clock.ts";

/** Messages of one millisecond that can be told apart: a score of Redis has 4,096 steps between two milliseconds. */
const ticketsPerMs = 4_000;
/** How far tickets may run ahead of the clock before it is believed that the clock was set back. */
const longestLeadMs = 2_000;

export interface Ticket {
  readonly at: Date;
  /** From 0 within one millisecond. */
  readonly rank: number;
}

export interface ServerClock {
  /** Reads the server's clock. */
  sync(): Promise<void>;
  now(): number;
  /** The next place in the order, `delayMs` from now. */
  ticket(delayMs: number): Ticket;
}

export function createServerClock(read: () => Promise<number>): ServerClock {
  let offset: number | undefined;
  let last = 0;
  let rank = 0;
  const now = () => Math.floor(clock.monotonic() + (offset ?? clock.now() - clock.monotonic()));
  return {
    now,
    async sync() {
      const before = clock.monotonic();
      const server = await read();
      const after = clock.monotonic();
      // What is known for certain: the server read its clock between the two. A better guess from before stays.
      offset = Math.min(Math.max(offset ?? server - (before + after) / 2, server - after), server - before);
    },
    ticket(delayMs) {
      const time = now();
      if (time > last || last - time > longestLeadMs) {
        last = time;
        rank = 0;
      } else if (++rank === ticketsPerMs) {
        last += 1;
        rank = 0;
      }
      return { at: new Date(last + Math.max(0, Math.ceil(delayMs))), rank };
    },
  };
}
