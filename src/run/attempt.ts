/** One delivery, read: what is known of it from its arrival to its end. */
import { clock } from "../base/clock.ts";
import { copyError } from "../base/errors.ts";
import type { Delivery, Rules } from "../contract/broker.ts";
import type { SetEntry } from "../contract/store.ts";
import type { DeadLetterSource } from "../queue/to-dead-letters.ts";
import type { RecordedTask } from "../results/recorder.ts";
import { refuseMessage } from "../wire/arguments.ts";
import { decodeBody, decodeForeign } from "../wire/call.ts";
import { type MessageLimits, noLimits } from "../wire/limits.ts";
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
  /** Of its publisher, where it was none of ours and is adopted. */
  readonly rules: Rules | undefined;
  /** The parsed body, or the text when it is no JSON. */
  readonly body: unknown;
  /** Why its body is no call. */
  readonly badMessage: Error | undefined;
  /** Why its body is no call that this version of the task takes. */
  readonly unbound: Error | undefined;
  /** Set by a filter: what says that it is done. */
  doneMark: ((outcome: string) => SetEntry) | undefined;
}

const unread = Object.freeze({
  args: Object.freeze([]),
  argsAreShared: false,
  limits: noLimits,
  body: undefined,
  unbound: undefined,
});

export function readAttempt({ definition, options }: RunnableTask, delivery: Delivery): Attempt {
  const startedAt = clock.now();
  const rules = options.adopt ? delivery.rules : undefined;
  try {
    if (delivery.unreadable !== undefined) refuseMessage(delivery.unreadable);
    const { signature } = definition;
    const call = rules
      ? decodeForeign(delivery.body, signature, options.convert)
      : decodeBody(delivery.body, signature, options.convert, delivery.publishedAt);
    const { args, limits, body, unbound } = call;
    const argsAreShared =
      !call.converted && (isTree(delivery.body) || options.record !== undefined || options.onRecord !== undefined);
    const badMessage = undefined;
    return { delivery, startedAt, args, argsAreShared, limits, rules, body, badMessage, unbound, doneMark: undefined };
  } catch (error) {
    const badMessage = copyError(error); // of the task's own `convert`, maybe
    return { ...unread, delivery, startedAt, rules, badMessage, doneMark: undefined };
  }
}

const isTree = (body: unknown) => typeof body === "object" && body !== null && !(body instanceof Uint8Array);
