/** publisher(definition), publisher<typeof task>(): publishes to a queue whose function lives elsewhere. */

import { FunboostError } from "./base/errors.ts";
import type { TaskMembers } from "./boost.ts";
import type { BrokerChoice } from "./contract/brokers.ts";
import { definitionOptions, type publisherOptions, refuseOthers } from "./define-task.ts";
import type { Schema } from "./options/middleware.ts";
import type { TaskParams } from "./options/task.ts";
import { checkParams } from "./options/task-checks.ts";
import type { AnyArgs, SentArgs, TaskKind } from "./options/task-types.ts";
import { type Publishing, publishingMembers, showShort } from "./publishing.ts";
import { definePublisher } from "./setup/definition.ts";
import type { ResultOf } from "./task/function-types.ts";

/** What a task has and a publisher has not: these calls say so. */
const ofTasks = [
  ...(["consume", "pause", "resume", "paused", "setQps", "setConcurrency"] as const),
  ...(["waitIdle", "on", "records", "deadLetters"] as const),
] satisfies Exclude<keyof TaskMembers<never, never>, keyof Publishing<never, never> | "params">[];

/** The task options that mean something where nothing runs. */
export type PublisherParams<S extends Schema = Schema> = Pick<
  TaskParams<AnyArgs, BrokerChoice, S>,
  (typeof publisherOptions)[number]
>;

/** Of a task's type, of a function's, else of what the params say. */
type PublisherOf<F, S extends Schema, K extends TaskKind> = F extends { push(...args: infer Args): Promise<infer H> }
  ? Publishing<Args, H extends { waitResult(...options: never[]): Promise<infer R> } ? R : unknown>
  : Publishing<SentArgs<F, S, K>, unknown extends F ? K["result"] : ResultOf<F>>;

/**
 * The publishing half of a task, where its code is not: a web bundle holds none of the worker's. Its types come from
 * the definition that both sides share, else from an `import type` of the task, or from `input`. It has `push`,
 * `pushMany`, `publish`, `publishMany`, `publishRaw`, `count`, `counts`, `clear`, `info`, `stats`, `features`,
 * `states`, `cancelMany` and `handle`.
 * `consume`, `pause`, `resume`, `paused`, `setQps`, `setConcurrency`, `waitIdle`, `on`, `records` and `deadLetters` are
 * the task's own: asked for here they throw UNSUPPORTED.
 * Where the task declares `params`, give the same list here; where its queue has several tasks, its `job`. What a
 * definition says of retries and `output` is the task's; of a task with a `job`, BullMQ's jobs bear the retries, for
 * workers of others.
 *
 * @example
 * import { mail } from "./tasks.js"; // what defineTask() answered
 * const mails = publisher(mail);
 * const handle = await mails.push("ada@example.com", "Hello");
 *
 * import type { transcode } from "./worker.js"; // or the task's type
 * const jobs = publisher<typeof transcode>({ queue: "transcode", params: ["file", "height"], rpc: true });
 */
export function publisher<F = unknown, S extends Schema = Schema, K extends TaskKind = TaskKind>(
  params: PublisherParams<S> & { "~task"?: K },
): PublisherOf<F, S, K> {
  checkParams(params);
  refuseOthers(params, definitionOptions, (name) => `publisher() takes no "${name}": it is used where the task runs`);
  const definition = definePublisher(params);
  const members = publishingMembers(definition);
  for (const name of ofTasks) Object.defineProperty(members, name, { get: () => refuseCall(name, params.queue) });
  showShort(members, definition, "Publisher");
  return members as unknown as PublisherOf<F, S, K>;
}

function refuseCall(name: string, queue: string): never {
  throw new FunboostError(
    "UNSUPPORTED",
    `publisher() has no "${name}": it needs the task. Call it on what boost() answered, where the function is.`,
    { where: queue },
  );
}
