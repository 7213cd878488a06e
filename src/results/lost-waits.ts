/**
 * Waits for what cannot come: what clear() removed, what has ended and left no result, an id that nobody knows. All
 * waits of a queue are looked after together: the first look comes when most have their answer, the next ones rarer.
 */
import { clock, createAlarm, withJitter } from "../base/clock.ts";
import { isOpen } from "../base/task-state.ts";
import type { MessageState } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import { readClearedAt } from "../queue/clear-queue.ts";
import type { OpenQueue } from "../setup/model.ts";
import { readEndedIds } from "../store/known-ids.ts";
import { toOutcome } from "../task/outcome.ts";
import { readRow } from "./query-records.ts";

/** Why a result cannot come any more. */
export type Loss = "cleared" | "gone" | "unknown";

/** What is known of a task when somebody begins to wait for it. */
export interface KnownTask {
  readonly id: string;
  /** Epoch milliseconds at which it was there for certain; undefined: nobody has said yet that it exists. */
  readonly knownAt: number | undefined;
  /** Published by whoever waits: it need not be looked for at once. */
  readonly isNew: boolean;
  /** Nobody need know it yet. */
  readonly isAwaited: boolean;
}

interface Wait extends KnownTask {
  knownAt: number | undefined;
  lookAt: number;
  /** Until the look after the next one. */
  pauseMs: number;
  /** What the look before has found, and when. */
  finding: Loss | undefined;
  foundAt: number;
  readonly lose: (loss: Loss) => void;
}

interface Watch {
  readonly task: OpenQueue;
  readonly store: Store;
  readonly waits: Set<Wait>;
  /** Of the last clear: as the store has it, and by the clock of this process. */
  mark: number | undefined;
  clearedAt: number | undefined;
  isLooking: boolean;
  /** A turn will come. */
  isSet: boolean;
  /** Other code runs some of what is waited for: it tells nobody, so it is looked for more often. */
  beside: boolean;
  readonly ring: (ms: number) => void;
}

/** A clear is seen this late at most; with its jitter half a second. */
const pollMs = 400;
/** Between two looks that must agree: a cancel or a redrive takes this long between its two writes. */
const agreeMs = { ended: 200, away: 1_000 };
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;
const longestBesideMs = 2_000;
/** In one turn, however many wait; what a clear may have removed is looked for at once. */
const mostLooks = 400;
const page = 100;
const defaultTtlMs = 1_800_000;
const atOnce = 0;
/** The next turn says when. */
const notYet = -1;

const watches = new WeakMap<OpenQueue, Watch>();

/**
 * Calls `lose` once, when it is certain; answers a function that ends it. By hand and without a look at the clock for
 * who waits for what was just published: nearly all have their answer before the first look.
 */
export function watchWait(task: OpenQueue, store: Store, known: KnownTask, lose: Wait["lose"]): () => void {
  const watch = watches.get(task) ?? createWatch(task, store);
  const { id, knownAt, isNew, isAwaited } = known;
  const lookAt = isNew ? notYet : atOnce;
  const pauseMs = firstPauseMs;
  const wait: Wait = { id, knownAt, isNew, isAwaited, lookAt, pauseMs, finding: undefined, foundAt: 0, lose };
  watch.waits.add(wait);
  if (!isNew) watch.ring(0);
  else if (!watch.isSet) watch.ring(pollMs);
  watch.isSet = true;
  return () => void watch.waits.delete(wait);
}

function createWatch(task: OpenQueue, store: Store): Watch {
  const watch: Watch = {
    task,
    store,
    waits: new Set(),
    mark: undefined,
    clearedAt: undefined,
    isLooking: false,
    isSet: false,
    beside: task.options.adopt,
    ring: createAlarm(() => void turn(watch)),
  };
  watches.set(task, watch);
  return watch;
}

/** An outage says nothing of any task: it is looked again. */
async function turn(watch: Watch): Promise<void> {
  const { waits, ring } = watch;
  if (watch.isLooking) return;
  watch.isSet = false;
  if (waits.size === 0) return;
  watch.isLooking = true;
  await look(watch).catch(() => {});
  watch.isLooking = false;
  watch.isSet = waits.size > 0;
  if (!watch.isSet) return;
  const now = clock.monotonic();
  let next = now + withJitter(pollMs);
  for (const { lookAt } of waits) if (lookAt > now && lookAt < next) next = lookAt;
  ring(next - now);
}

async function look(watch: Watch): Promise<void> {
  await readMark(watch);
  const due = dueOf(watch);
  for (let from = 0; from < due.length; from += page)
    await lookAt(
      watch,
      due.slice(from, from + page).filter((wait) => watch.waits.has(wait)),
    ); // others have ended
}

/** Those that have waited longest for a look come first: they were added first. */
function dueOf({ waits }: Watch): readonly Wait[] {
  const now = clock.monotonic();
  const due: Wait[] = [];
  let left = mostLooks;
  for (const wait of waits) {
    if (wait.lookAt === notYet) wait.lookAt = now + firstPauseMs;
    else if (wait.lookAt === atOnce || (wait.lookAt <= now && left-- > 0)) due.push(wait);
  }
  for (const wait of due) wait.lookAt = now + firstPauseMs; // should this look fail
  return due;
}

async function lookAt(watch: Watch, due: readonly Wait[]): Promise<void> {
  const askedAt = clock.now();
  const states = await Promise.all(due.map(({ id }) => watch.task.queue.state?.(id)));
  const closed: { wait: Wait; state: MessageState | undefined }[] = [];
  for (const [i, wait] of due.entries()) {
    if (isOpen(states[i])) isThere(watch, wait, askedAt);
    else closed.push({ wait, state: states[i] });
  }
  if (closed.length > 0) await judge(watch, closed);
}

/** The clocks of this process and the store may differ: what counts is how long ago it was. */
async function readMark(watch: Watch): Promise<void> {
  const { store, task, waits } = watch;
  const mark = await readClearedAt(store, task);
  if (mark === watch.mark) return;
  const clearedAt = mark === undefined ? undefined : mark + clock.now() - (await store.now());
  Object.assign(watch, { mark, clearedAt });
  for (const wait of waits) if (isCleared(watch, wait)) wait.lookAt = atOnce;
}

function isCleared({ clearedAt }: Watch, { knownAt }: Wait): boolean {
  return clearedAt !== undefined && knownAt !== undefined && knownAt <= clearedAt;
}

/** What was there after a clear was not removed by it. */
function isThere(watch: Watch, wait: Wait, askedAt: number): void {
  wait.knownAt = askedAt;
  lookLater(watch, wait);
}

function lookLater({ beside }: Watch, wait: Wait): void {
  const longest = beside ? longestBesideMs : longestPauseMs;
  wait.finding = undefined;
  wait.lookAt = clock.monotonic() + withJitter(Math.min(wait.pauseMs, longest));
  wait.pauseMs = Math.min(2 * wait.pauseMs, longest);
}

/** A result is written before its message ends: what is not there now, after its state was read, will not come. */
async function judge(
  watch: Watch,
  closed: readonly { readonly wait: Wait; readonly state: MessageState | undefined }[],
): Promise<void> {
  const { store, task } = watch;
  const ids = closed.map(({ wait }) => wait.id);
  const [results, ended, rows] = await Promise.all([
    store.results.get(task.scope, ids),
    readEndedIds(store, task.scope, ids),
    task.options.record ? Promise.all(ids.map((id) => readRow(task, id))) : [],
  ]);
  for (const [i, { wait, state }] of closed.entries()) {
    const hasEnded = ended.has(wait.id) || rows[i] !== undefined || (state !== undefined && state !== "unknown");
    if (results[i] !== undefined || (hasEnded && (await takeOver(watch, wait)))) lookLater(watch, wait);
    else if (state === undefined) decide(watch, wait, isCleared(watch, wait) ? "cleared" : undefined, agreeMs.away);
    else if (hasEnded) decide(watch, wait, "gone", agreeMs.ended);
    else decide(watch, wait, lossOf(watch, wait), agreeMs.away);
  }
}

/** What other code ended has its answer in the engine: it is put where it is waited for. */
async function takeOver(watch: Watch, { id }: Wait): Promise<boolean> {
  const { store, task } = watch;
  const ended = await task.queue.endedElsewhere?.(id);
  if (!ended) return false;
  watch.beside = true;
  const outcome = JSON.stringify(toOutcome(id, task.options.queue, ended));
  await store.results.put(task.scope, [{ id, outcome, ttlMs: task.options.rpc?.ttlMs ?? defaultTtlMs }]);
  return true;
}

/** Of what the engine does not know. */
function lossOf(watch: Watch, wait: Wait): Loss | undefined {
  if (isCleared(watch, wait)) return "cleared";
  if (wait.knownAt !== undefined) return "gone";
  return wait.isAwaited ? undefined : "unknown";
}

/** `apartMs`: two looks so far apart must agree. A clear says by itself that it is over. */
function decide(watch: Watch, wait: Wait, loss: Loss | undefined, apartMs: number): void {
  if (loss === undefined) return lookLater(watch, wait);
  const now = clock.monotonic();
  if (wait.finding === undefined) Object.assign(wait, { finding: loss, foundAt: now });
  wait.lookAt = wait.foundAt + apartMs;
  if (loss !== "cleared" && now < wait.lookAt) return;
  if (watch.waits.delete(wait)) wait.lose(loss);
}
