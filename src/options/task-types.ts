/** What a task takes and answers, as types: from its function, its definition or the schema of its input. */
import type {
  FunctionLike,
  KnownParameters,
  NoTask,
  ParametersOf,
  Refused,
  ResultOf,
  Sent,
} from "../task/function-types.ts";
import type { Schema } from "./middleware.ts";

/** What a definition says of its task, for the compiler only: at run time it is not there. */
export interface TaskKind<F = FunctionLike, Args extends readonly unknown[] = readonly unknown[], R = unknown> {
  readonly fn: F;
  readonly args: Args;
  readonly result: R;
}

/** Where no function is known yet. */
// biome-ignore lint/suspicious/noExplicitAny: shared params fit tasks of whatever arguments
export type AnyArgs = any;

/** What the schema takes; `any` where it does not say. */
export type InputOf<S extends Schema> = NonNullable<S["~standard"]["types"]>["input"];
/** What the schema makes of it. */
export type OutputOf<S extends Schema> = NonNullable<S["~standard"]["types"]>["output"];

/** A tuple of two and more is the list of arguments, all else the one argument. */
export type ArgsOf<T> = IsList<T> extends true ? (T extends readonly unknown[] ? [...T] : never) : OneArg<T>;

/** What the function gets: which of the two it is, what the schema takes decides. */
export type MadeOf<S extends Schema> =
  IsList<InputOf<S>> extends true
    ? OutputOf<S> extends readonly unknown[]
      ? [...OutputOf<S>]
      : [Refused<"The schema takes a list of arguments and must make a list of them.">]
    : OneArg<OutputOf<S>>;

/** A list of any length is one argument. */
type IsList<T> = [T] extends [readonly unknown[]]
  ? T[number][] extends T
    ? false
    : T["length"] extends 0 | 1
      ? false
      : true
  : false;

/** To be left out where the schema takes undefined; `unknown` says nothing of that. */
type OneArg<T> = unknown extends T ? [arg: T] : undefined extends T ? [arg?: T] : [arg: T];

type IsAny<T> = 0 extends 1 & T ? true : false;

/** What is known of a task beside its function: by its definition, by its schema, by both, or by neither. */
type KindOf<S extends Schema, K extends TaskKind> = FunctionLike extends K["fn"]
  ? IsAny<OutputOf<S>> extends true
    ? TaskKind
    : TaskKind<(...args: MadeOf<S>) => unknown, ArgsOf<InputOf<S>>>
  : IsAny<OutputOf<S>> extends true
    ? K
    : TaskKind<FunctionBeside<S, K>, K["args"], K["result"]>;

type FunctionBeside<S extends Schema, K extends TaskKind> =
  K["args"] extends ArgsOf<InputOf<S>>
    ? (...args: MadeOf<S>) => AnswerOf<K["fn"]>
    : NoTask<"`input` does not take what the definition's callers send.">;

type AnswerOf<F> = F extends (...args: never[]) => infer R ? R : unknown;

/** What a task's function must be. */
export type FunctionFor<S extends Schema, K extends TaskKind> = KindOf<S, K>["fn"];

/** What callbacks in the params get: what travels. */
export type CallbackArgs<F, S extends Schema, K extends TaskKind> = FunctionLike extends KindOf<S, K>["fn"]
  ? KnownParameters<F>
  : KindOf<S, K>["args"];

/** What push() takes. */
export type SentArgs<F, S extends Schema, K extends TaskKind> = Sent<
  FunctionLike extends KindOf<S, K>["fn"] ? ParametersOf<F> : KindOf<S, K>["args"]
>;

/** What waitResult() answers. */
export type KeptResult<F, K extends TaskKind> = unknown extends K["result"] ? ResultOf<F> : K["result"];
