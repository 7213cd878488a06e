/**
 * A lease in the store: what one process at a time may do, held by renewing it.
 *
 * The store's word ends at the ttl, this process's trust in it a margin sooner, counted from when it asked. Trust is a
 * matter of the clock, not of a timer: a process that stood still runs its overdue work before the timer that would
 * have told it. A lease that is lost is never taken up again.
 */
import { clock, repeat } from "../base/clock.ts";
import { FunboostError } from "../base/errors.ts";
import { points, tell } from "../base/events.ts";
import type { Store } from "../contract/store.ts";

export interface Lease {
  /** Its term; it grows with each. */
  readonly fence: number;
  /** Aborts when it cannot be ours any more: it has another owner, or could not be renewed in time. */
  readonly lost: AbortSignal;
  /** Asks the clock. */
  isOurs(): boolean;
  /** Frees it for others; one that cannot be released ends by itself. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  readonly name: string;
  readonly ttlMs: number;
  /** For whoever reads that it was lost. */
  readonly what: string;
}

interface Term extends LeaseOptions {
  readonly owner: string;
  readonly fence: number;
}

/** How long whoever asked for a lease may believe in it: less than the store does. */
export const trustedMs = (ttlMs: number): number => 0.9 * ttlMs;

/** Never a host name: processes share it. */
const processName = `${process.pid}-${Math.random().toString(36).slice(2)}`;
let leases = 0;

/** Undefined while somebody else has it. Each has an owner of its own: one that is over cannot touch the next. */
export async function takeLease(store: Store, options: LeaseOptions): Promise<Lease | undefined> {
  const owner = `${processName}-${++leases}`;
  const asked = clock.monotonic();
  const answer = await store.lease(options.name, owner, options.ttlMs).catch((error: unknown) => {
    store.release(options.name, owner).catch(() => {}); // the store may have given it, and only its answer was lost
    throw error;
  });
  if (!answer) return undefined;
  const lease = holdLease(store, { ...options, owner, fence: answer.fence }, asked);
  if (lease.isOurs()) return lease;
  await lease.release();
  return undefined;
}

function holdLease(store: Store, term: Term, asked: number): Lease {
  const { name, owner, fence, ttlMs } = term;
  const lost = new AbortController();
  const trust = createTrust(trustedMs(ttlMs), () => {
    tell(points.leaseLost, () => ({ name, owner, fence }));
    lost.abort(new FunboostError("LOCKED", `${term.what} was lost: it could not be renewed within its ttl.`));
  });
  const renew = async () => {
    if (!trust.holds()) return;
    const from = clock.monotonic();
    // A store that is down answers nothing: trust ends by itself.
    const answer = await store.lease(name, owner, ttlMs, fence).catch(() => undefined);
    if (answer?.fence === fence) trust.renew(from);
    else if (answer !== undefined) trust.concede();
  };
  tell(points.leaseAcquired, () => ({ name, owner, fence }));
  trust.renew(asked);
  const stopRenewing = repeat(ttlMs / 4, renew, () => {});
  const release = async () => {
    trust.end();
    await stopRenewing();
    await store.release(name, owner).catch(() => {});
  };
  return { fence, lost: lost.signal, isOurs: trust.holds, release };
}

/** How long we may believe that it is ours. Ends once: by `end`, quietly; or with `onLost`. */
function createTrust(ms: number, onLost: () => void) {
  let until = Number.POSITIVE_INFINITY;
  let over = false;
  let disarm = () => {};
  const end = () => {
    over = true;
    disarm();
  };
  const concede = () => {
    if (over) return;
    end();
    onLost();
  };
  const holds = () => {
    if (clock.monotonic() >= until) concede();
    return !over;
  };
  const renew = (from: number) => {
    if (!holds()) return; // an answer that comes too late is none
    until = from + ms;
    disarm();
    disarm = clock.after(until - clock.monotonic(), concede, { unref: true });
  };
  return { holds, renew, concede, end };
}
