/** A definition with its function, whose parameters are read from the source. */
import type { TaskParams } from "../options/task.ts";
import { type AnyFunction, readSignature, type Signature } from "../wire/signature.ts";
import { define } from "./definition.ts";
import type { Definition } from "./model.ts";

/** Read once: one function may serve thousands of queues. */
const signatures = new WeakMap<AnyFunction, Signature>();

export function defineFunction(params: TaskParams, fn: AnyFunction): Definition {
  return define(params, fn, signatureOf(params, fn));
}

function signatureOf({ params, queue }: TaskParams, fn: AnyFunction): Signature {
  if (params !== undefined) return readSignature(fn, params, queue);
  const signature = signatures.get(fn) ?? readSignature(fn, params, queue);
  signatures.set(fn, signature);
  return signature;
}
