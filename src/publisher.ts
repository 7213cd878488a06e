/** publisher<typeof task>(): publishes to a queue whose function lives elsewhere. */

import { FunboostError } from "./base/errors.ts";
import { type ParametersOf, type Publishing, publishingMembers, type ResultOf } from "./boost.ts";
import type { TaskParams } from "./options/task.ts";
import { checkParams } from "./options/task-checks.ts";
import { define } from "./setup/definition.ts";

const allowed = [
  "queue",
  "broker",
  "brokerOptions",
  "params",
  "rpc",
  "filter",
  "input",
  "usePublish",
  "errors",
  "publishTimeout",
  "log",
] as const satisfies (keyof TaskParams)[];

/** The task options that mean something where nothing runs. */
export type PublisherParams = Pick<TaskParams, (typeof allowed)[number]>;

type Publisher<F> = Publishing<ParametersOf<F>, ResultOf<F>>;

/**
 * The publishing half of a task, from an `import type`: a web bundle holds no worker code.
 * Where the task declares `params`, give the same list here.
 *
 * @example
 * import type { transcode } from "./tasks.js";
 * const jobs = publisher<typeof transcode>({
 *   queue: "transcode", broker: "bullmq", params: ["file", "height"], rpc: true,
 * });
 * const handle = await jobs.push("a.mov", 720);
 */
export function publisher<F>(params: PublisherParams): Publisher<F> {
  checkParams(params);
  for (const name of Object.keys(params)) {
    if (!(allowed as readonly string[]).includes(name))
      throw new FunboostError(
        "BAD_OPTION",
        `publisher() takes no "${name}": it is used where the task runs. It takes: ${allowed.join(", ")}.`,
        { where: params.queue },
      );
  }
  return publishingMembers(define(params, undefined)) as unknown as Publisher<F>;
}
