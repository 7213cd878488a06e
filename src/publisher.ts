/** publisher<typeof task>(): publishes to a queue whose function lives elsewhere. */

import { FunboostError } from "./base/errors.ts";
import { type Publishing, publishingMembers, showShort, type TaskMembers } from "./boost.ts";
import type { TaskParams } from "./options/task.ts";
import { checkParams } from "./options/task-checks.ts";
import { define } from "./setup/definition.ts";
import type { ParametersOf, ResultOf, Sent } from "./task/function-types.ts";

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

/** What a task has and a publisher has not: these calls say so. */
const ofTasks = [
  ...(["consume", "pause", "resume", "paused", "setQps", "setConcurrency"] as const),
  ...(["waitIdle", "records", "deadLetters"] as const),
] satisfies Exclude<keyof TaskMembers<never, never>, keyof Publishing<never, never> | "params">[];

/** The task options that mean something where nothing runs. */
export type PublisherParams = Pick<TaskParams, (typeof allowed)[number]>;

type Publisher<F> = Publishing<Sent<ParametersOf<F>>, ResultOf<F>>;

/**
 * The publishing half of a task, from an `import type`: a web bundle holds no worker code. It has `push`, `pushMany`,
 * `publish`, `publishMany`, `publishRaw`, `count`, `counts`, `clear`, `info`, `stats`, `features` and `handle`.
 * `consume`, `pause`, `resume`, `paused`, `setQps`, `setConcurrency`, `waitIdle`, `records` and `deadLetters` need the
 * task itself: asked for here they throw UNSUPPORTED.
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
  const definition = define(params, undefined);
  const members = publishingMembers(definition);
  for (const name of ofTasks) Object.defineProperty(members, name, { get: () => refuseCall(name, params.queue) });
  showShort(members, definition, "Publisher");
  return members as unknown as Publisher<F>;
}

function refuseCall(name: string, queue: string): never {
  throw new FunboostError(
    "UNSUPPORTED",
    `publisher() has no "${name}": it needs the task. Call it on what boost() answered, where the function is.`,
    { where: queue },
  );
}
