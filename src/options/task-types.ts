/** What a task takes and answers, as types: from its function, its definition or the schema of its input. */
import type { FunctionLike, KnownParameters, ParametersOf, ResultOf, Sent } from "../task/function-types.ts";
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
export type ArgsOf<T> = [T] extends [readonly unknown[]]
  ? T[number][] extends T
    ? OneArg<T> // a list of any length
    : T["length"] extends 0 | 1
      ? OneArg<T>
      : [...T]
  : OneArg<T>;

/** To be left out where the schema takes undefined; `unknown` says nothing of that. */
type OneArg<T> = unknown extends T ? [arg: T] : undefined extends T ? [arg?: T] : [arg: T];

type IsAny<T> = 0 extends 1 & T ? true : false;

/** What a task's function must be: what its definition says, else one that takes what the schema makes. */
export type FunctionFor<S extends Schema, K extends TaskKind> = FunctionLike extends K["fn"]
  ? IsAny<OutputOf<S>> extends true
    ? FunctionLike
    : (...args: ArgsOf<OutputOf<S>>) => unknown
  : K["fn"];

/** What callbacks in the params get: what travels. */
export type CallbackArgs<F, S extends Schema, K extends TaskKind> = FunctionLike extends K["fn"]
  ? IsAny<InputOf<S>> extends true
    ? KnownParameters<F>
    : ArgsOf<InputOf<S>>
  : K["args"];

/** What push() takes. */
export type SentArgs<F, S extends Schema, K extends TaskKind> = Sent<
  FunctionLike extends K["fn"] ? (IsAny<InputOf<S>> extends true ? ParametersOf<F> : ArgsOf<InputOf<S>>) : K["args"]
>;

/** What waitResult() answers. */
export type KeptResult<F, K extends TaskKind> = unknown extends K["result"] ? ResultOf<F> : K["result"];

/** What a definition that was spread into the params of a call leaves there, for the compiler only. */
export interface Defined<K extends TaskKind> {
  "~task"?: K;
}
