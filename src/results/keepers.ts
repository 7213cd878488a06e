/** What is kept of a task's end: keepers, in their order. Each answers the write that it wants, and makes none. */
import type { LateResult } from "../contract/results.ts";
import type { SetEntry } from "../contract/store.ts";
import type { ArgsTexts, OnRecord } from "../options/record.ts";
import { movedMark } from "../queue/redrive-marks.ts";
import type { OpenQueue } from "../setup/model.ts";
import { endedMark } from "../store/known-ids.ts";
import type { Outcome } from "../task/outcome.ts";
import { argsTexts } from "./args-text.ts";

/** What a message and its run ask to be kept. */
export interface KeepRequest {
  readonly limits: { readonly rpc?: boolean; readonly deadLetter?: string; readonly givenId?: boolean };
  /** Undefined: they are gone with the message. */
  readonly args: readonly unknown[] | undefined;
  /** Of a filter: from this mark on no equal message runs. It holds the outcome. */
  readonly doneMark: ((outcome: string) => SetEntry) | undefined;
}

/** Plain data, so that an engine with the store in its own file or server may commit it with the acknowledgement. */
export type EndWrite =
  /** `otherwise`: instead, where the condition of the first entry does not hold. */
  | { readonly to: "keys"; readonly entries: readonly SetEntry[]; readonly otherwise?: readonly SetEntry[] }
  /** `json`: the outcome's text, where it is there already. */
  | { readonly to: "rows"; readonly outcome: Outcome; readonly args: ArgsTexts; readonly json: string | undefined }
  /** No store has a part in it. */
  | { readonly to: "hook"; readonly hook: OnRecord; readonly outcome: Outcome; readonly args: ArgsTexts }
  /** No store has a part in it. */
  | { readonly to: "listeners"; readonly outcome: Outcome }
  | {
      readonly to: "results";
      readonly entry: LateResult;
    };

/** An end, and the texts that are made of it: once, by whoever needs them first. */
interface End {
  readonly outcome: Outcome;
  readonly request: KeepRequest;
  json: string | undefined;
  args: ArgsTexts | undefined;
}

export interface Keeper {
  /** Asked before there is an outcome: for most ends no keeper is, and nothing is made. */
  isAsked(task: OpenQueue, request: KeepRequest): boolean;
  /** Undefined: nothing of this end. */
  write(task: OpenQueue, end: End): EndWrite | undefined;
}

const jsonOf = (end: End): string => (end.json ??= JSON.stringify(end.outcome));
const noArgs: ArgsTexts = { text: "", json: undefined };

function argsOf({ options }: OpenQueue, end: End): ArgsTexts {
  end.args ??= end.request.args ? argsTexts(end.request.args, options.record?.args) : noArgs;
  return end.args;
}

const doneMark: Keeper = {
  isAsked: (_, { doneMark }) => doneMark !== undefined,
  write(_, end) {
    if (end.outcome.status !== "done") return undefined;
    const mark = end.request.doneMark?.(jsonOf(end));
    // Not over the claim or the mark of another: this run may have slept through its own.
    return mark && { to: "keys", entries: [mark], otherwise: [{ ...mark, if: "absent" }] };
  },
};

const messageMarks: Keeper = {
  isAsked: ({ store }, { limits }) =>
    (limits.deadLetter !== undefined || limits.givenId === true) && store !== undefined,
  write(task, { outcome, request: { limits } }) {
    const entries: SetEntry[] = [];
    if (limits.deadLetter !== undefined) entries.push(movedMark(task, limits.deadLetter));
    // The id of what was cancelled may be used again.
    if (limits.givenId && outcome.status !== "cancelled") entries.push(endedMark(task, outcome.id));
    return entries.length > 0 ? { to: "keys", entries } : undefined;
  },
};

const row: Keeper = {
  isAsked: ({ options, store }) => options.record !== undefined && store !== undefined,
  write: (task, end) => ({
    to: "rows",
    outcome: end.outcome,
    args: argsOf(task, end),
    json: task.options.record?.results ? jsonOf(end) : undefined,
  }),
};

const hook: Keeper = {
  isAsked: ({ options }) => options.onRecord !== undefined,
  write(task, end) {
    const { onRecord } = task.options;
    return onRecord && { to: "hook", hook: onRecord, outcome: end.outcome, args: argsOf(task, end) };
  },
};

/** For who waits for it. */
export const resultKeeper: Keeper = {
  isAsked({ options, store, queue }, { limits }) {
    if (queue.result || !store) return false; // an engine that keeps results keeps them without being asked
    // Whoever publishes an equal message gets the handle of the first, and may ask it.
    return limits.rpc ?? (options.rpc !== undefined || options.filter?.when === "published");
  },
  write({ options: { rpc, filter, onRecord } }, end) {
    const ttlMs = Math.max(rpc?.ttlMs ?? 1_800_000, filter?.when === "published" ? filter.ttlMs : 0);
    const { id, publishedAt, endedAt } = end.outcome;
    // Where nobody knows when this life began, it was before its end.
    // A text where a hook sees it first: that may change it.
    const outcome = end.json ?? (onRecord ? jsonOf(end) : end.outcome);
    return { to: "results", entry: { id, outcome, ttlMs, publishedAt: publishedAt ?? endedAt } };
  },
};

/** Told by task.on(). */
const listeners: Keeper = {
  isAsked: ({ listeners }) => listeners.has("done") || listeners.has("failed"),
  write: (_, { outcome }) => ({ to: "listeners", outcome }),
};

/**
 * The order that crash safety hangs on. Whoever is killed between two of these has not acknowledged the message: it
 * comes again.
 * 1. The filter's mark: from then on it is done, and its next delivery does not run but keeps the rest anew.
 * 2. What must be known of a message that is over: its given id, and the dead letter that it was.
 * 3. Its row, and then the task's own hook, which finds the row.
 * 4. The result: who waits for it finds all else.
 * 5. Those who listen in this process.
 */
export const keepers: readonly Keeper[] = [doneMark, messageMarks, row, hook, resultKeeper, listeners];

/**
 * Whether any of them is asked: for most ends none is. Each by its name: in a loop, one call for all, they cost a
 * twentieth of a run on memory (measured).
 */
export function isKept(task: OpenQueue, request: KeepRequest): boolean {
  return (
    doneMark.isAsked(task, request) ||
    messageMarks.isAsked(task, request) ||
    row.isAsked(task, request) ||
    hook.isAsked(task, request) ||
    resultKeeper.isAsked(task, request) ||
    listeners.isAsked(task, request)
  );
}

/** All that is to be written for an end, in order. */
export function writesOf(
  task: OpenQueue,
  request: KeepRequest,
  outcome: Outcome,
  asked: readonly Keeper[] = keepers,
): EndWrite[] {
  const end: End = { outcome, request, json: undefined, args: undefined };
  const writes: EndWrite[] = [];
  for (const keeper of asked) {
    const write = keeper.isAsked(task, request) ? keeper.write(task, end) : undefined;
    if (write) writes.push(write);
  }
  return writes;
}
