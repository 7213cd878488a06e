/** The wall clock of a child process: it jumps as a correction by hand would make it jump; the monotonic one goes on. */

const realNow = Date.now;

/** Milliseconds that it is ahead of the machine's. */
export const wallClock = { aheadMs: 0 };

const now = () => realNow() + wallClock.aheadMs;

globalThis.Date = new Proxy(Date, {
  construct: (target, args: unknown[]) => Reflect.construct(target, args.length === 0 ? [now()] : args) as Date,
  get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
});
