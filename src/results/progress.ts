/** How far a task is: the latest value that it told, kept in the store. */

import { within } from "../base/clock.ts";
import { readStored } from "../base/json.ts";
import { copyJson } from "../base/json-check.ts";
import type { Delivery } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import type { OpenQueue } from "../setup/model.ts";
import { healthOf } from "../store/health.ts";
import { requireStore } from "../store/require-store.ts";
import { mayBeEarlier } from "./read-outcome.ts";

const defaultTtlMs = 1_800_000;

/** Should a notice be lost. */
const lookAgainMs = 500;
/** A store that hangs must not hold the task. */
const keepMs = 1_000;

/** A value, and which of the task's runs told it. */
interface Progress {
  readonly value: unknown;
  readonly publishedAt: number | undefined;
  readonly attempt: number;
  readonly crashes: number;
}

/**
 * Trouble with the store is logged and not thrown: the task's work goes on.
 * What a run tells that another one has followed, as its lease was lost, is dropped.
 */
export async function keepProgress(
  task: OpenQueue,
  delivery: Delivery,
  value: unknown,
  tell?: (copy: unknown) => void,
): Promise<void> {
  const { options, log } = task;
  const store = requireStore(task, "fct.progress()");
  const { id: taskId, publishedAt, attempt, crashes = 0 } = delivery;
  const progress = { value: copyJson(value, "progress", options.queue) ?? null, publishedAt, attempt, crashes };
  tell?.(structuredClone(progress.value));
  const keep = keepUnlessStale(task, store, taskId, progress, JSON.stringify(progress)).then((kept) =>
    kept
      ? undefined
      : log.warn(
          { queue: options.queue, taskId, attempt },
          "progress of a run that another one has followed: its lease was lost; not kept",
        ),
  );
  await within(
    keep.catch((error: unknown) => healthOf(store).say(log, { queue: options.queue }, error)),
    keepMs,
  );
}

async function keepUnlessStale(
  task: OpenQueue,
  store: Store,
  id: string,
  progress: Progress,
  json: string,
): Promise<boolean> {
  const key = keyOf(task, id);
  const entry = { key, value: json, ttlMs: task.options.rpc?.ttlMs ?? defaultTtlMs };
  for (;;) {
    const [text] = await store.get([key]);
    const last = readStored<Progress>(text);
    if (last && isFollowed(progress, last)) return false;
    const [kept] = await store.set([{ ...entry, if: text === undefined ? "absent" : { equals: text } }]);
    if (kept) break; // else another call was faster, maybe one of this run's own
  }
  await store.notify(key, "");
  return true;
}

/** By what the engine counts, never by clocks. An id that is published again, or redriven, starts anew. */
function isFollowed({ publishedAt, attempt, crashes }: Progress, last: Progress): boolean {
  if (last.publishedAt !== publishedAt) return false;
  return last.attempt > attempt || (last.attempt === attempt && last.crashes > crashes);
}

/** `since`: the publisher's time of one that is new. */
export async function readProgress(task: OpenQueue, id: string, since?: number): Promise<unknown> {
  const store = requireStore(task, "progress()");
  const [text] = await store.get([keyOf(task, id)]);
  return toldOf({ id, since }, text)?.value;
}

/** Of this task, not of one that had its id before: as engines count them anew. */
function toldOf({ id, since }: KnownProgress, text: string | undefined): Progress | undefined {
  const told = readStored<Progress>(text);
  return told && mayBeEarlier({ id, publishedAt: told.publishedAt }, since) && since !== undefined ? undefined : told;
}

interface KnownProgress {
  readonly id: string;
  readonly since: number | undefined;
}

/**
 * Each value that is seen, from the latest on, until the task has ended.
 * Values that follow each other faster than they are read are skipped.
 */
export async function* followProgress(
  task: OpenQueue,
  known: KnownProgress,
  ended: () => Promise<boolean>,
  signal?: AbortSignal,
): AsyncGenerator<unknown> {
  const { id } = known;
  const store = requireStore(task, "progress()");
  let wake = () => {};
  let isNew = false;
  const unsubscribe = await store.subscribe(keyOf(task, id), () => {
    isNew = true;
    wake();
  });
  const onAbort = () => wake();
  signal?.addEventListener("abort", onAbort);
  try {
    for (let last: string | undefined; !signal?.aborted; ) {
      const over = await ended(); // before the look: what was told before the end is seen
      const [text] = await store.get([keyOf(task, id)]);
      const told = text === last ? undefined : toldOf(known, text);
      if (told) yield told.value;
      last = text;
      if (over) return;
      if (!isNew && !signal?.aborted) await within(new Promise<void>((resolve) => (wake = resolve)), lookAgainMs);
      isNew = false;
    }
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener("abort", onAbort);
    unsubscribe();
  }
}

function keyOf({ scope }: OpenQueue, id: string): string {
  return `progress:${encodeURIComponent(scope)}:${id}`;
}
