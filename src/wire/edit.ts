/** Another body of a message that waits: other arguments, another time; the rest of its `extra` stays. */
import type { JsonObject } from "../contract/index.ts";
import { extraOf, isObject, parseBody } from "./body.ts";
import { encodeBody } from "./call.ts";
import { type Extra, writeLimits } from "./limits.ts";
import type { Signature } from "./signature.ts";

/** Throws BAD_ARGS. */
export function withArgs(raw: unknown, signature: Signature, args: readonly unknown[], queue: string): JsonObject {
  const body = encodeBody(signature, args, undefined, queue);
  const extra = plainExtra(extraOf(parseBody(raw)));
  return extra ? { ...body, extra: { ...extra, ...extraOf(body) } } : body;
}

/** Of what others published, which has no `extra`: as they would write it. Throws BAD_ARGS. */
export function foreignBody(signature: Signature, args: readonly unknown[], queue: string): unknown {
  const { extra: _, ...members } = encodeBody(signature, args, undefined, queue);
  if (signature.kind === "named") return members;
  return signature.kind === "positional" ? Object.values(members)[0] : members;
}

/** From when expiry counts. Undefined: it is no call that this task's push has made, and stays as it is. */
export function withDueTime(raw: unknown, dueMs: number, mayBeOurs: boolean): JsonObject | undefined {
  const body = parseBody(raw);
  const extra = extraOf(body);
  if (!isObject(body) || (extra ? plainExtra(extra) !== extra : !mayBeOurs)) return undefined;
  return { ...body, extra: { ...extra, ...writeLimits({ etaMs: dueMs, isTimed: true }) } };
}

/** Without the marks of a body that came without one, and the order of arguments that are gone. */
function plainExtra(extra: Extra | undefined): Extra | undefined {
  if (!extra || !("is_raw" in extra || "is_auto_fill_extra" in extra)) return extra;
  const { is_raw: _, is_auto_fill_extra: __, ...rest } = extra;
  return rest;
}
