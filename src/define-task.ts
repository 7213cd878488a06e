/** defineTask(params): what worker and publisher both know of a task, without its function. */
import { FunboostError } from "./base/errors.ts";
import type { BrokerChoice } from "./contract/brokers.ts";
import type { Schema } from "./options/middleware.ts";
import type { TaskParams } from "./options/task.ts";
import { checkParams } from "./options/task-checks.ts";
import type { AnyArgs, ArgsOf, InputOf, MadeOf, OutputOf, TaskKind } from "./options/task-types.ts";
import type { FunctionLike, ParametersOf, ResultOf } from "./task/function-types.ts";

/** What means something where nothing runs. */
export const publisherOptions = [
  "queue",
  "job",
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

/** What a definition may say besides: of the task's end and its retries. */
export const definitionOptions = [
  ...publisherOptions,
  ...(["output", "maxRetries", "backoff"] as const),
] satisfies (keyof TaskParams)[];

/** The options of a task that both sides need: no `concurrency`, no `timeout`, nothing else of the run alone. */
export type DefinitionParams<Args extends readonly unknown[] = AnyArgs, S extends Schema = Schema> = Pick<
  TaskParams<Args, BrokerChoice, S>,
  (typeof definitionOptions)[number]
>;

/**
 * What defineTask() answers: its params, frozen, to be spread into those of `boost()` and given to `publisher()`. The
 * types of the call travel with it.
 */
export interface TaskDefinition<F = FunctionLike, Args extends readonly unknown[] = KnownArgs<F>, R = KnownResult<F>>
  extends Readonly<DefinitionParams<Args>> {
  /** For the compiler only: not there at run time. */
  readonly "~task"?: TaskKind<FunctionOf<F>, Args, R>;
}

type KnownArgs<F> = FunctionLike extends F ? AnyArgs : ParametersOf<F>;
type KnownResult<F> = FunctionLike extends F ? unknown : ResultOf<F>;
type OutputOrUnknown<O extends Schema> = 0 extends 1 & OutputOf<O> ? unknown : OutputOf<O>;

/** The function of a definition: what takes these arguments and answers such a result, at once or later. */
type FunctionOf<F> = FunctionLike extends F ? F : (...args: ParametersOf<F>) => AnswerOf<ResultOf<F>>;
/** Where nothing is made of the answer, any fits. */
type AnswerOf<R> = [void, R] extends [R, void] ? unknown : R | Promise<R>;

/** A schema beside the function's type: it takes the function's arguments, and makes such of them. */
type SchemaOf<Args> = Schema<Args extends [arg?: infer One] ? One : Args>;

/**
 * One definition for both sides, in a file that holds no code of the worker: the worker spreads it into the params of
 * `boost()`, the web server gives it to `publisher()`. Both know the types of the call: from the type of the function,
 * or from `input`, and `output` where the result matters. Throws BAD_OPTION for options that only a run has.
 *
 * @example
 * export const mail = defineTask<(to: string, subject: string) => Promise<number>>({
 *   queue: "mail", params: ["to", "subject"], rpc: true,
 * });
 * export const signup = defineTask({ queue: "signup", input: z.object({ at: z.coerce.date() }) });
 *
 * // worker: to and subject are texts, and what does not fit does not compile
 * const send = boost({ ...mail, concurrency: 4 }, async (to, subject) => subject.length);
 * // web server
 * const mails = publisher(mail);
 */
export function defineTask<S extends Schema, O extends Schema>(
  params: DefinitionParams<ArgsOf<InputOf<NoInfer<S>>>, S> & { input: S; output?: O },
): TaskDefinition<(...args: MadeOf<S>) => InputOf<O> | Promise<InputOf<O>>, ArgsOf<InputOf<S>>, OutputOrUnknown<O>>;
export function defineTask<F extends FunctionLike = FunctionLike>(
  params: DefinitionParams<KnownArgs<F>, SchemaOf<KnownArgs<F>>>,
): TaskDefinition<F>;
export function defineTask(params: DefinitionParams): unknown {
  checkParams(params);
  refuseOthers(
    params,
    definitionOptions,
    (name) => `defineTask() takes no "${name}": only a run has it, so give it to boost()`,
  );
  return Object.freeze({ ...params });
}

/** Throws BAD_OPTION for an option that is not `allowed`; `text` says why. */
export function refuseOthers(params: TaskParams, allowed: readonly string[], text: (name: string) => string): void {
  const other = Object.keys(params).find((name) => !allowed.includes(name));
  if (other !== undefined)
    throw new FunboostError("BAD_OPTION", `${text(other)}. It takes: ${allowed.join(", ")}.`, { where: params.queue });
}
