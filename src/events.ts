/**
 * What happens inside, on Node's diagnostics_channel. Without a subscriber an event costs one look at a flag.
 *
 * Spans have three channels each, `funboost:publish:start`, `:end` and `:error`, which share one object as their message:
 * publish { queue, broker, count, ids }, run { queue, broker, taskId, attempt, waitMs, outcome, runMs, error }.
 * Points have one: funboost:settle { queue, broker, taskId, attempt, outcome: "applied" | "stale" }, funboost:duplicate { queue, broker, taskId },
 * funboost:deadletter { queue, broker, taskId, attempt, error }, funboost:queue:paused and :resumed { queue, broker }, funboost:queue:limits { queue, broker, qps, concurrency },
 * funboost:consumer:ready and :closing { queue, broker }, funboost:consumer:closed { queue, broker, orphanedIds, elapsedMs }, funboost:broker:opened { broker, queue, features }.
 */
import { type Channel, channel } from "node:diagnostics_channel";

type Fields = Record<string, unknown>;

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
export const running = span("run");

export const points = {
  settle: channel("funboost:settle"),
  duplicate: channel("funboost:duplicate"),
  deadletter: channel("funboost:deadletter"),
  paused: channel("funboost:queue:paused"),
  resumed: channel("funboost:queue:resumed"),
  limits: channel("funboost:queue:limits"),
  ready: channel("funboost:consumer:ready"),
  closing: channel("funboost:consumer:closing"),
  closed: channel("funboost:consumer:closed"),
  opened: channel("funboost:broker:opened"),
} satisfies Record<string, Channel>;

export function isWatched({ start, end, error }: Span): boolean {
  return start.hasSubscribers || end.hasSubscribers || error.hasSubscribers;
}

/** `fields` is asked only when somebody listens. */
export function tell(point: Channel, fields: () => Fields): void {
  if (point.hasSubscribers) point.publish(fields());
}

/** The same object from start to end: what is learnt on the way is added to it. */
export async function inSpan<T>(names: Span, fields: Fields, work: () => Promise<T> | T, learn: (value: T) => Fields): Promise<T> {
  names.start.publish(fields);
  try {
    const value = await work();
    names.end.publish(Object.assign(fields, learn(value)));
    return value;
  } catch (error) {
    names.error.publish(Object.assign(fields, { error }));
    throw error;
  }
}
