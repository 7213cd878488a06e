/** Options that are a queue's own: one worker serves all its tasks, so they must agree. */
import { isDeepStrictEqual } from "node:util";
import { describe, FunboostError } from "../base/errors.ts";
import type { Options } from "../options/task.ts";
import { titleOf } from "./definition.ts";

/** As it is given, and as it is in force. */
const shared = {
  adopt: "adopt",
  concurrency: "concurrency",
  qps: "limits",
  qpsScope: "qpsScope",
  pool: "pool",
  prefetch: "prefetch",
  maxSuspended: "maxSuspended",
  brokerOptions: "brokerOptions",
} as const satisfies Record<string, keyof Options>;

/** Throws BAD_OPTION, naming both, where two tasks of one queue want it served differently. */
export function checkAlike(all: readonly Options[]): void {
  const [first, ...others] = all;
  if (!first) return;
  for (const other of others)
    for (const [name, key] of Object.entries(shared))
      if (!isAlike(first[key], other[key])) refuse(name, first, other, key);
}

function isAlike(a: unknown, b: unknown): boolean {
  return a === b || isDeepStrictEqual(a, b);
}

function refuse(name: string, a: Options, b: Options, key: keyof Options): never {
  const given = (options: Options) => `${titleOf(options)} has ${describe(options[key])}`;
  throw new FunboostError(
    "BAD_OPTION",
    `"${name}" is the queue's, which one worker serves: ${given(a)}, and ${given(b)}. Give both the same, ` +
      `or give it once: adopt({ queue: ${JSON.stringify(a.queue)}, ${name} }, { ... }).`,
    { where: a.queue },
  );
}
