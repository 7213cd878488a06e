/** One delivery, read: what is known of it from its arrival to its end. */
import { clock } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
import type { Delivery } from "../contract/broker.ts";
import type { SetEntry } from "../contract/store.ts";
import type { DeadLetterSource } from "../queue/to-dead-letters.ts";
import type { RecordedTask } from "../results/recorder.ts";
import { isObject } from "../wire/body.ts";
import { decodeBody } from "../wire/call.ts";
import type { MessageLimits } from "../wire/limits.ts";
import type { AnyFunction, Signature } from "../wire/signature.ts";

/** An open task, as far as running it needs it. */
export interface RunnableTask extends RecordedTask, DeadLetterSource {
  readonly definition: { readonly signature: Signature };
  readonly call: AnyFunction | undefined;
}

export interface Attempt {
  readonly delivery: Delivery;
  readonly startedAt: number;
  readonly args: readonly unknown[];
  /** Somebody reads them, or the body that they are part of, when the run is over: it gets copies. */
  readonly argsAreShared: boolean;
  readonly limits: MessageLimits;
  /** The parsed body, or the text when it is no JSON. */
  readonly body: unknown;
  /** Why its body is no call of this task. */
  readonly badMessage: Error | undefined;
  /** Set by a filter: what says that it is done. */
  doneMark: ((outcome: string) => SetEntry) | undefined;
}

const noLimits: MessageLimits = Object.freeze({});
const noArgs: readonly unknown[] = Object.freeze([]);

export function readAttempt({ definition, options }: RunnableTask, delivery: Delivery): Attempt {
  const startedAt = clock.now();
  try {
    const call = decodeBody(delivery.body, definition.signature, options.convert, delivery.publishedAt);
    const { args, limits, body } = call;
    const argsAreShared =
      !call.converted && (isObject(delivery.body) || options.record !== undefined || options.onRecord !== undefined);
    return { delivery, startedAt, args, argsAreShared, limits, body, badMessage: undefined, doneMark: undefined };
  } catch (error) {
    const badMessage = toError(error);
    const nothing = { args: noArgs, argsAreShared: false, limits: noLimits, body: undefined };
    return { delivery, startedAt, ...nothing, badMessage, doneMark: undefined };
  }
}
