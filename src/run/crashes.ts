/**
 * Runs that may take their process down with them. What was lost once has a mark in the store while it runs, but not
 * while it waits for others: so a later loss is counted for those alone that were under way.
 */
import type { Delivery } from "../contract/broker.ts";
import type { Slot, Trial } from "../slots/slot.ts";
import { healthOf } from "../store/health.ts";
import { countUp, insist, type Writer } from "../store/insist.ts";

/** A task, as far as its crashes are concerned. */
export interface CrashTask extends Writer {
  readonly options: Writer["options"] & { readonly maxCrashes: number };
  readonly scope: string;
}

/** A mark outlives its process; none is needed longer. */
const markMs = 86_400_000;

export function wasLost({ crashes = 0 }: Delivery): boolean {
  return crashes > 0;
}

/** How often it was lost while it was under way; without a store that answers, how often it was lost at all. */
export function lossesOf(task: CrashTask, delivery: Delivery): number | Promise<number> {
  const { crashes = 0 } = delivery;
  if (!task.store || healthOf(task.store).down) return crashes;
  return task.store.get([markKey(task, delivery)]).then(
    ([marks]) => Math.min(crashes, Math.max(0, Number(marks ?? 0)) + 1), // the first loss left no mark
    () => crashes,
  );
}

/** Marks the start of what was lost, and counts that of a suspect that is alone in its process; true after too many. */
export async function crashedTooOften(task: CrashTask, delivery: Delivery, trial: Trial | undefined): Promise<boolean> {
  const { maxCrashes } = task.options;
  const { crashes = 0 } = delivery;
  if (!task.store) return trial?.aloneFrom !== undefined && crashes >= trial.aloneFrom + maxCrashes;
  await mark(task, delivery, 1);
  return trial?.aloneFrom !== undefined && (await countUp(task, aloneKey(task, delivery))) > maxCrashes;
}

/** What is left to do of a start that crashedTooOften() has marked. */
export interface MarkedStart {
  /** The run's slot; the mark is away while the run waits for others. */
  readonly slot: Slot;
  /** It has ended, well or not: it was no crash. */
  forget(): Promise<void>;
}

export function markedStart(task: CrashTask, delivery: Delivery, slot: Slot): MarkedStart {
  let waits = 0;
  let ended = false;
  const suspend = () => {
    const resume = slot.suspend();
    if (++waits === 1 && !ended) void mark(task, delivery, -1);
    return async () => {
      const goesOn = --waits === 0;
      await resume();
      if (goesOn && !ended) await mark(task, delivery, 1);
    };
  };
  return {
    slot: { trial: slot.trial, suspend },
    forget() {
      ended = true;
      return forgetCrashes(task, delivery, slot.trial);
    },
  };
}

async function forgetCrashes(task: CrashTask, delivery: Delivery, trial: Trial | undefined): Promise<void> {
  const { store } = task;
  if (!store) return;
  const forget = () => store.delete([markKey(task, delivery), aloneKey(task, delivery)]);
  if (trial?.aloneFrom !== undefined) await insist(task, forget);
  else if (!healthOf(store).down) await forget().catch(() => {});
}

export function crashedText({ maxCrashes }: CrashTask["options"]): string {
  return `its process died ${maxCrashes} times while it ran alone (maxCrashes)`;
}

/** No start waits for a store that is away: without its mark what is lost again is no suspect yet. */
async function mark(task: CrashTask, delivery: Delivery, by: 1 | -1): Promise<void> {
  const { store } = task;
  if (!store || healthOf(store).down) return;
  await store.increment([{ key: markKey(task, delivery), by, ttlMs: markMs }]).catch(() => {});
}

const markKey = (task: CrashTask, delivery: Delivery): string => `lost:${nameOf(task, delivery)}`;
const aloneKey = (task: CrashTask, delivery: Delivery): string => `alone:${nameOf(task, delivery)}`;

function nameOf({ scope }: CrashTask, { id, publishedAt }: Delivery): string {
  return `${encodeURIComponent(scope)}:${id}:${publishedAt ?? 0}`;
}
