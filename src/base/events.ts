/**
 * What happens inside, on Node's diagnostics_channel. Without a subscriber an event costs one look at a flag.
 *
 * Spans: `funboost:<name>:start`, `:end` and `:error` share one object; what is learnt on the way is added to it.
 * - publish { queue broker count ids elapsedMs error }
 * - fetch { queue broker window count ids elapsedMs error }: from when the engine may hand over more to when it did;
 *   error: what its consumer reports
 * - run { queue broker taskId attempt waitMs outcome runMs error }: a task that fails is an end with its error
 * - settle { queue broker taskId attempt outcome settleMs error }: outcome "applied" or "stale";
 *   error: the consumer closed before it was known
 * - store { store call elapsedMs error }
 * - maintain { queue broker elapsedMs error }
 *
 * Points: `funboost:<name>`
 * - run:stuck { queue broker taskId attempt reason }: its function goes on, long after it was told to end
 * - run:crashed { queue broker taskId attempt crashes }
 * - deadletter { queue broker taskId attempt error }
 * - duplicate { queue broker taskId }
 * - control:held { queue broker control heldMs }: why nothing starts, again each minute; control undefined: over
 * - queue:paused { queue broker }
 * - queue:resumed { queue broker }
 * - queue:limits { queue broker qps concurrency }
 * - consumer:ready { queue broker }
 * - consumer:closing { queue broker }
 * - consumer:closed { queue broker orphanedIds elapsedMs }
 * - broker:opened { queue broker features }
 * - lease:acquired { name owner fence }: of leases in the store, such as that of a queue's maintenance
 * - lease:lost { name owner fence }
 * - notice:switch { queue broker to }: "poll" when the store's notices are lost, "notices" when they are back
 */
import { type Channel, channel } from "node:diagnostics_channel";
import { clock } from "./clock.ts";

export type Fields = Record<string, unknown>;

interface Span {
  readonly start: Channel;
  readonly end: Channel;
  readonly error: Channel;
}

const span = (name: string): Span => ({
  start: channel(`funboost:${name}:start`),
  end: channel(`funboost:${name}:end`),
  error: channel(`funboost:${name}:error`),
});

export const publishing = span("publish");
export const fetching = span("fetch");
export const running = span("run");
export const settling = span("settle");
export const storing = span("store");
export const maintaining = span("maintain");

export const points = {
  stuck: channel("funboost:run:stuck"),
  crashed: channel("funboost:run:crashed"),
  deadletter: channel("funboost:deadletter"),
  duplicate: channel("funboost:duplicate"),
  held: channel("funboost:control:held"),
  paused: channel("funboost:queue:paused"),
  resumed: channel("funboost:queue:resumed"),
  limits: channel("funboost:queue:limits"),
  ready: channel("funboost:consumer:ready"),
  closing: channel("funboost:consumer:closing"),
  closed: channel("funboost:consumer:closed"),
  opened: channel("funboost:broker:opened"),
  leaseAcquired: channel("funboost:lease:acquired"),
  leaseLost: channel("funboost:lease:lost"),
  notices: channel("funboost:notice:switch"),
} satisfies Record<string, Channel>;

export function isWatched({ start, end, error }: Span): boolean {
  return start.hasSubscribers || end.hasSubscribers || error.hasSubscribers;
}

/** `fields` is asked only when somebody listens. */
export function tell(point: Channel, fields: () => Fields): void {
  if (point.hasSubscribers) point.publish(fields());
}

/** The same object from start to end: what is learnt on the way is added to it. `took`: the name of its time. */
export async function inSpan<T>(
  names: Span,
  fields: Fields,
  work: () => Promise<T> | T,
  learn?: (value: T) => Fields,
  took = "elapsedMs",
): Promise<T> {
  const from = clock.monotonic();
  names.start.publish(fields);
  try {
    const value = await work();
    names.end.publish(Object.assign(fields, { [took]: clock.monotonic() - from }, learn?.(value)));
    return value;
  } catch (error) {
    names.error.publish(Object.assign(fields, { [took]: clock.monotonic() - from, error }));
    throw error;
  }
}
