/** What a consuming process does beside running tasks: renew leases, rescue, ask whether its queue is paused. */
import { clock, repeat } from "../base/clock.ts";
import { deadline } from "../base/deadline.ts";
import type { Consumer } from "../contract/broker.ts";
import type { OpenQueue } from "../setup/model.ts";
import type { LeaseTrust } from "./lease-trust.ts";
import { startMaintenance } from "./maintenance.ts";

/** With its jitter below the 500 ms in which a pause is in force. */
const pausedPollMs = 380;
const renewMs = 30_000;

export interface UpkeepOptions {
  readonly task: OpenQueue;
  readonly engine: Consumer;
  readonly leaseTrust: LeaseTrust;
  /** All that has not started goes back: it may be another process's by now. */
  giveBack(): void;
  onPaused(paused: boolean): void;
  onError(error: unknown): void;
}

/** Each on its own clock; adapters keep no such timers. Answers the function that ends them. */
export function startUpkeep(options: UpkeepOptions): () => Promise<void> {
  const { task, leaseTrust, onPaused, onError } = options;
  const { queue, leaseMs } = task;
  leaseTrust.begin(clock.monotonic()); // connecting may have taken long
  // With its jitter every third of a lease at the latest.
  const ends = [repeat(leaseMs / 4, () => renew(options), onError)];
  if (queue.maintain) ends.push(startMaintenance(task, queue.maintain, onError));
  if (queue.paused) ends.push(repeat(pausedPollMs, async () => onPaused((await queue.paused?.()) ?? false), onError));
  return async () => void (await Promise.all(ends.map((end) => end())));
}

async function renew(options: UpkeepOptions): Promise<void> {
  const { leaseTrust, giveBack } = options;
  if (leaseTrust.isOver()) giveBack();
  await renewOnce(options);
  if (!leaseTrust.isOver()) return;
  giveBack();
  await renewOnce(options); // the answer came late: what was renewed up to may have passed
}

/** Where the client renews this tells only that the process was awake. */
async function renewOnce({ engine, leaseTrust, task }: UpkeepOptions): Promise<void> {
  const askedAt = clock.monotonic();
  if (engine.renew) await deadline(engine.renew(), renewMs, "renew()", task.brokerName);
  leaseTrust.begin(askedAt);
}
