/** What a task's types take from those of its function, and what they say where that cannot be. */

declare const why: unique symbol;

/** No value has this type: it says why. */
export interface Refused<Reason extends string> {
  readonly [why]: Reason;
}

/**
 * No function has this type: it says why. With a signature, because a function whose parameters are not known yet
 * passes for any signature, and must pass.
 */
export interface NoTask<Reason extends string> {
  new (reason: Reason): never;
}

// A bound with a call signature would make a parameter with a default, such as `b = 3`, an `any`.
// biome-ignore lint/complexity/noBannedTypes: for that reason
export type FunctionLike = Function;

// biome-ignore lint/suspicious/noExplicitAny: as in `Parameters`, which is then known to be the same
export type ParametersOf<F> = F extends (...args: infer Args) => any
  ? Args
  : [Refused<"The task's type is not known: name it, as in publisher<typeof task>({ queue }).">];

export type ResultOf<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never;

/**
 * What callbacks beside a function get. Before TypeScript 6 a `function` is looked at after them: their parameters are
 * then `any` unless they are annotated.
 */
// biome-ignore lint/suspicious/noExplicitAny: for that reason
export type KnownParameters<F> = F extends (...args: infer Args) => unknown ? Args : any;

/**
 * What a function must be beside a function. Each question is whether a list of one is a list of never: that is how
 * functions of a caller's own type parameter pass, as the compiler asks it with a type that fits all.
 */
export type Boostable<F> = [Unbound<F>] extends [never]
  ? [Signed<F>] extends [never]
    ? NoTask<"Nothing is known of this function's parameters. Give boost() one with a call signature.">
    : NoTask<"A task has no `this`: its runs are in other processes. Wrap it: (file) => service.work(file).">
  : unknown;

type Signed<F> = [F] extends [(...args: never[]) => unknown] ? unknown : never;
type Unbound<F> = [F] extends [(this: void, ...args: never[]) => unknown] ? unknown : never;

type Flat = string | number | boolean | null | undefined;
/** What is seen to be JSON at once, without a look at each member; interfaces, for one, are not. */
type Json = Flat | readonly Json[] | { readonly [key: string]: Json };

/**
 * The arguments of a function as they can be sent: what JSON would change is refused, where a type tells. Those of a
 * caller's own type parameter pass, as in `Boostable`.
 */
export type Sent<Args extends readonly unknown[]> = [AsTheyAre<Args>] extends [never]
  ? { [I in keyof Args]: Args[I] extends Carried<Args[I]> ? Args[I] : Carried<Args[I]> }
  : Args;

type AsTheyAre<Args extends readonly unknown[]> = [Args] extends [{ [I in keyof Args]: Carried<Args[I]> }]
  ? unknown
  : never;

/** What is refused as it is, and the reason: the rest of a value is looked through. */
type Carried<T> = T extends Json
  ? T
  : T extends Uncarriable
    ? Refused<ReasonOf<T>>
    : T extends readonly unknown[] // written out: so it is read late, as types of JSON need it
      ? readonly Carried<T[number]>[]
      : T extends object
        ? [PlainOf<T>] extends [never]
          ? { [K in keyof T]: Carried<T[K]> }
          : T
        : T;

/** Plain values that the type takes, as `Iterable<string>` does: what comes then cannot be told by it. */
type PlainOf<T, Plain = string | number | boolean | never[]> = Plain extends T ? Plain : never;

type AnyMap = ReadonlyMap<unknown, unknown>;
type AnySet = ReadonlySet<unknown>;
type Bytes = ArrayBuffer | ArrayBufferView;
type Uncarriable = bigint | symbol | FunctionLike | Date | AnyMap | AnySet | Bytes | PromiseLike<unknown>;

type ReasonOf<T> = T extends bigint
  ? "A bigint cannot be sent. Send String(value)."
  : T extends Date
    ? "A Date cannot be sent. Send date.toISOString() or date.getTime()."
    : T extends AnyMap
      ? "A Map cannot be sent. Send Object.fromEntries(map) or [...map]."
      : T extends AnySet
        ? "A Set cannot be sent. Send [...set]."
        : T extends Bytes
          ? 'Bytes cannot be sent. Send Buffer.from(bytes).toString("base64").'
          : T extends PromiseLike<unknown>
            ? "A promise cannot be sent. Await it."
            : "A function or a symbol cannot be sent. Leave it out.";
