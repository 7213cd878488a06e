/** Carries out what the keepers of an end answer. */
import { toError } from "../base/errors.ts";
import { parseJson } from "../base/json.ts";
import type { TaskRow } from "../options/record.ts";
import type { OpenQueue } from "../setup/model.ts";
import { putAtOnce, setAtOnce } from "../store/at-once.ts";
import { insist } from "../store/insist.ts";
import { type Outcome, toRecord } from "../task/outcome.ts";
import { type EndWrite, type Keeper, type KeepRequest, keepers, resultKeeper, writesOf } from "./keepers.ts";
import { cancelledOutcome } from "./new-outcome.ts";
import { type RecordedTask, recorderOf } from "./recorder.ts";

type Write<To extends EndWrite["to"]> = Extract<EndWrite, { to: To }>;

/**
 * Before the message is acknowledged: a crash between the two runs the task again rather than lose its answer.
 * One write after the other, each until it works; the hook is called once. Undefined: there is nothing to keep.
 * No `async`: each promise of a run counts.
 */
export function keepEnd(
  task: RecordedTask,
  request: KeepRequest,
  outcome: Outcome,
  asked: readonly Keeper[] = keepers,
): Promise<unknown> | undefined {
  let kept: Promise<unknown> | undefined;
  for (const write of writesOf(task, request, outcome, asked))
    kept = kept ? kept.then(() => carryOut(task, write)) : carryOut(task, write);
  return kept;
}

/** A message that was taken out before it started: its row, and an answer for whoever waits for it, anywhere. */
export async function keepCancelled(task: RecordedTask, id: string): Promise<void> {
  await keepEnd(task, unstarted, cancelledOutcome(task.options, id));
}

/** Only the answer: the message may wait for long yet. */
export async function answerCancelled(task: RecordedTask, id: string): Promise<void> {
  await keepEnd(task, unstarted, cancelledOutcome(task.options, id), [resultKeeper]);
}

/** Nobody here knows whether its publisher asked for a result. */
const unstarted: KeepRequest = { limits: { rpc: true }, args: undefined, doneMark: undefined };

/** Undefined: it is written already. */
function carryOut(task: RecordedTask, write: EndWrite): Promise<unknown> | undefined {
  switch (write.to) {
    case "keys":
      return setKeys(task, write);
    case "rows": // the recorder insists by itself, on all rows of a tick at once
      return recorderOf(task)?.keep(write.outcome, write.args, write.json) ?? Promise.resolve();
    case "hook":
      return callHook(task, write);
    case "listeners":
      return void tellEnd(task, write.outcome);
    case "results":
      return putResult(task, write.entry);
  }
}

function putResult(task: OpenQueue, entry: Write<"results">["entry"]): Promise<unknown> | undefined {
  const { store, scope } = task;
  if (!store || putAtOnce(store, scope, entry)) return undefined;
  const outcome = typeof entry.outcome === "string" ? entry.outcome : JSON.stringify(entry.outcome);
  return insist(task, () => store.results.put(scope, [{ ...entry, outcome }]));
}

function setKeys(task: OpenQueue, { entries, otherwise }: Write<"keys">): Promise<unknown> | undefined {
  const [first] = entries;
  const written = task.store && first && entries.length === 1 ? setAtOnce(task.store, first) : undefined;
  if (written === false && otherwise) return setKeys(task, { to: "keys", entries: otherwise });
  if (written !== undefined) return undefined;
  const set = (each: Write<"keys">["entries"]) => insist(task, () => task.store?.set(each) ?? Promise.resolve([]));
  return otherwise ? set(entries).then(([written]) => (written === false ? set(otherwise) : [])) : set(entries);
}

/** A copy: who waits for the result, or reads the row, gets it as it was. */
function tellEnd({ listeners, options, log }: OpenQueue, outcome: Outcome): void {
  const event = outcome.status === "done" || outcome.status === "filtered" ? "done" : "failed";
  if (listeners.has(event)) listeners.tell(event, toRecord(structuredClone(outcome), options.errors), log);
}

/** The user's own table: an error of theirs is said and does not touch the task. */
async function callHook({ options, log }: OpenQueue, { hook, outcome, args }: Write<"hook">): Promise<void> {
  try {
    const argsValue = args.json === undefined ? {} : { argsValue: parseJson(args.json) };
    await hook({ ...toRecord(outcome, options.errors), args: args.text, ...argsValue } as TaskRow);
  } catch (error) {
    const facts = { queue: outcome.queue, taskId: outcome.id, error: toError(error) };
    log.warn(facts, "onRecord threw; this row is not written");
  }
}
