/** What a consuming process does beside running tasks: renew leases, rescue, look at flags. */
import { clock, repeat } from "../base/clock.ts";
import { deadline } from "../base/deadline.ts";
import { toError } from "../base/errors.ts";
import { inSpan, isWatched, maintaining } from "../base/events.ts";
import type { BrokerQueue, Consumer } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import type { OpenQueue } from "../setup/model.ts";
import { type Lease, takeLease } from "../store/lease.ts";
import type { LeaseTrust } from "./lease-trust.ts";

type Maintain = NonNullable<BrokerQueue["maintain"]>;

const flagPollMs = 380; // with its jitter below the 500 ms in which a pause is in force
/** A turn that takes longer hangs. */
const leastTurnMs = 30_000;
const renewMs = 30_000;

/** Tells what waits here unstarted whether it is still ours. */
export interface Keeping extends LeaseTrust {
  /** All that has not started goes back, where `overslept`. */
  giveBack(): void;
}

/** Leases, rescue and flags, each on its own clock. Adapters keep no such timers. */
export function startUpkeep(
  task: OpenQueue,
  engine: Consumer,
  onError: (error: Error) => void,
  onPaused: (paused: boolean) => void,
  held: Keeping,
): () => Promise<void> {
  const { queue, leaseMs, brokerName } = task;
  const failed = (error: unknown) => onError(toError(error));
  const duties: (() => Promise<void>)[] = [];
  held.beat(clock.monotonic()); // connecting may have taken long
  duties.push(repeat(leaseMs / 4, () => renew(engine, held, brokerName), failed)); // with its jitter every third of a lease at the latest
  if (queue.maintain) duties.push(startMaintaining(task, toldOf(task, queue.maintain), failed));
  if (queue.paused) duties.push(repeat(flagPollMs, async () => onPaused((await queue.paused?.()) ?? false), failed));
  return async () => void (await Promise.all(duties.map((end) => end())));
}

function toldOf({ options, brokerName }: OpenQueue, maintain: Maintain): Maintain {
  return (signal) =>
    isWatched(maintaining)
      ? inSpan(maintaining, { queue: options.queue, broker: brokerName }, () => maintain(signal))
      : maintain(signal);
}

/** Where the client renews this tells only that the process was awake. */
async function renew(engine: Consumer, held: Keeping, where: string): Promise<void> {
  if (held.overslept()) held.giveBack();
  const from = clock.monotonic();
  if (engine.renew) await deadline(engine.renew(), renewMs, "renew()", where);
  held.beat(from);
  if (held.overslept()) held.giveBack();
}

/**
 * By one process at a time where there is a store, the same one for as long as it lives and its turns work: what fails here may work elsewhere.
 * Only those that consume the queue stand for it.
 */
function startMaintaining(
  { store, scope, leaseMs, brokerName }: OpenQueue,
  maintain: Maintain,
  onError: (error: unknown) => void,
) {
  const longestMs = Math.max(leastTurnMs, 4 * leaseMs);
  let lead: Lead | undefined;
  let stopped = false;
  const concede = async () => {
    const leaving = lead;
    lead = undefined;
    leaving?.over.abort();
    await leaving?.lease?.release();
  };
  const turn = async () => {
    if (lead?.lease && !lead.lease.isOurs()) await concede();
    lead ??= store ? await standFor(store, scope, leaseMs) : { over: new AbortController() };
    if (!lead || stopped) return;
    await deadline(maintain(lead.over.signal), longestMs, "maintain()", brokerName).catch(async (error: unknown) => {
      await concede();
      throw error;
    });
  };
  const stopTurns = repeat(leaseMs / 4, turn, onError);
  return async () => {
    stopped = true;
    lead?.over.abort();
    await stopTurns();
    await concede();
  };
}

interface Lead {
  /** Absent where there is no store: then every process leads. */
  readonly lease?: Lease;
  readonly over: AbortController;
}

async function standFor(store: Store, scope: string, ttlMs: number): Promise<Lead | undefined> {
  const lease = await takeLease(store, {
    name: `maintain:${scope}`,
    ttlMs,
    what: `the maintenance of queue "${scope}"`,
  });
  if (!lease) return undefined;
  const over = new AbortController();
  lease.lost.addEventListener("abort", () => over.abort(lease.lost.reason));
  return { lease, over };
}
