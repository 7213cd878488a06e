/** A clock that goes on by hand, for what takes long or must happen at a given moment. `setClock()` puts the real one back. */
import { setClock } from "../../src/base/clock.ts";

export interface HandClock {
  /** Runs the timers that come due meanwhile, one millisecond after the other. */
  pass(ms: number): Promise<void>;
  /** The process stands still: time passes, and no timer runs. */
  standStill(ms: number): void;
  /** How many timers have been set so far. */
  timers(): number;
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

export function handClock(): HandClock {
  let nowMs = 0;
  let timers = 0;
  let alarms: { readonly at: number; readonly run: () => void }[] = [];
  setClock({
    now: () => nowMs,
    monotonic: () => nowMs,
    after(ms, run) {
      const alarm = { at: nowMs + ms, run };
      alarms.push(alarm);
      timers++;
      return () => (alarms = alarms.filter((each) => each !== alarm));
    },
  });
  return {
    async pass(ms) {
      for (const end = nowMs + ms; nowMs < end; await settled()) {
        nowMs = Math.min(end, nowMs + 1);
        const due = alarms.filter(({ at }) => at <= nowMs).sort((a, b) => a.at - b.at);
        alarms = alarms.filter((each) => !due.includes(each));
        for (const { run } of due) run();
      }
    },
    standStill: (ms) => void (nowMs += ms),
    timers: () => timers,
  };
}
