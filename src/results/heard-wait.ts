/** A wait for a result of which the store tells by a call: one record and one promise, as ten thousand may wait. */
import { clock } from "../base/clock.ts";
import { isFunboostError, toError } from "../base/errors.ts";
import { readStored } from "../base/json.ts";
import type { WaitForResult } from "../contract/results.ts";
import type { Store } from "../contract/store.ts";
import type { OpenQueue } from "../setup/model.ts";
import type { Outcome } from "../task/outcome.ts";
import { type Abortable, addAbortable, deleteAbortable } from "./aborts.ts";
import { deadlines, type Waiter } from "./deadlines.ts";
import { type KnownTask, type Loss, watchWait } from "./lost-waits.ts";
import { clearedOutcome } from "./new-outcome.ts";
import {
  earlierAgainMs,
  type HowToWait,
  lostError,
  ownOutcome,
  unreadable,
  waitAgainMs,
  waitedTooLong,
} from "./wait-ends.ts";

type Hear = NonNullable<WaitForResult["hear"]>;

interface Answer {
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

export function hearOutcome(
  task: OpenQueue,
  store: Store,
  hear: Hear,
  known: KnownTask,
  { timeoutMs, signal }: HowToWait,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) reject(signal.reason);
    else new HeardWait(task, known, timeoutMs, signal, { resolve, reject }).begin(store, hear);
  });
}

/** A class: its calls are on the prototype, and cost a wait nothing. */
class HeardWait implements Waiter, Abortable {
  readonly timeoutMs: number;
  until = 0;
  readonly #task: OpenQueue;
  readonly #known: KnownTask;
  readonly #signal: AbortSignal | undefined;
  #answer: Answer | undefined;
  #unwatch: (() => void) | undefined;
  #forget: (() => void) | undefined;

  constructor(task: OpenQueue, known: KnownTask, timeoutMs: number, signal: AbortSignal | undefined, answer: Answer) {
    this.#task = task;
    this.#known = known;
    this.timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#answer = answer;
  }

  begin(store: Store, hear: Hear): void {
    deadlines.add(this);
    if (this.#signal) addAbortable(this.#signal, this);
    this.#unwatch = watchWait(this.#task, store, this.#known, (loss) => this.#lost(loss));
    this.#listen(store, hear);
  }

  late(): void {
    this.#end()?.reject(waitedTooLong(this.#known.id, this.timeoutMs, this.#task.options.queue));
  }

  aborted(reason: unknown): void {
    this.#end()?.reject(reason);
  }

  #listen(store: Store, hear: Hear): void {
    if (!this.#answer) return;
    let isHeard = false;
    const onOutcome = (outcome: string | Error) => {
      isHeard = true;
      this.#forget?.();
      this.#forget = undefined;
      this.#heard(store, hear, outcome);
    };
    try {
      const forget = hear(this.#task.scope, this.#known.id, onOutcome);
      if (isHeard) forget();
      else this.#forget = forget;
    } catch (error) {
      onOutcome(toError(error));
    }
  }

  /** A wait ends with its outcome or its time, not with an outage. */
  #heard(store: Store, hear: Hear, outcome: string | Error): void {
    if (typeof outcome === "string")
      void this.#read(store, hear, outcome).catch((error) => this.#heard(store, hear, toError(error)));
    else if (isFunboostError(outcome) && outcome.code !== "BROKER_DOWN") this.#end()?.reject(outcome);
    else clock.after(waitAgainMs, () => this.#listen(store, hear), { unref: true });
  }

  async #read(store: Store, hear: Hear, text: string): Promise<void> {
    const task = this.#task;
    const outcome = readStored<Outcome>(text);
    if (!outcome) throw unreadable(task, this.#known);
    const found = await ownOutcome(task, store, this.#known, outcome);
    if (found) this.#end()?.resolve(found);
    else clock.after(earlierAgainMs, () => this.#listen(store, hear), { unref: true });
  }

  #lost(loss: Loss): void {
    const { options } = this.#task;
    const { id } = this.#known;
    if (loss === "cleared") this.#end()?.resolve(clearedOutcome(options, id));
    else this.#end()?.reject(lostError(id, options.queue, loss));
  }

  /** Whom to answer, once. */
  #end(): Answer | undefined {
    const answer = this.#answer;
    if (!answer) return undefined;
    this.#answer = undefined;
    deadlines.delete(this);
    if (this.#signal) deleteAbortable(this.#signal, this);
    this.#unwatch?.();
    this.#forget?.();
    return answer;
  }
}
