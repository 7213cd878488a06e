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

export type ParametersOf<F> = F extends (...args: infer Args) => unknown
  ? Args
  : [Refused<"The task's type is not known: name it, as in publisher<typeof task>({ queue }).">];

export type ResultOf<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never;

/**
 * What callbacks beside a function get. Before TypeScript 6 a `function` is looked at after them: their parameters are
 * then `any` unless they are annotated.
 */
// biome-ignore lint/suspicious/noExplicitAny: for that reason
export type KnownParameters<F> = F extends (...args: infer Args) => unknown ? Args : any;

/** What a function must be beside a function. */
export type Boostable<F> = F extends (...args: never[]) => unknown
  ? unknown extends ThisParameterType<F>
    ? unknown
    : ThisParameterType<F> extends void
      ? unknown
      : NoTask<"A task has no `this`: its runs are in other processes. Wrap it: (file) => service.work(file).">
  : NoTask<"Nothing is known of this function's parameters. Give boost() one with a call signature.">;

type Flat = string | number | boolean | null | undefined;

/** The arguments of a function as they can be sent: what JSON would change is refused, where a type tells. */
export type Sent<Args extends readonly unknown[]> = Args extends readonly Flat[]
  ? Args
  : { [I in keyof Args]: Args[I] extends Carried<Args[I]> ? Args[I] : Carried<Args[I]> };

// biome-ignore-start lint/suspicious/noExplicitAny: bounds
type Carried<T> = 0 extends 1 & T
  ? T
  : T extends Flat
    ? T
    : T extends bigint
      ? Refused<"A bigint cannot be sent. Send String(value).">
      : T extends symbol | FunctionLike
        ? Refused<"A function or a symbol cannot be sent. Leave it out.">
        : T extends object
          ? T extends Date
            ? Refused<"A Date cannot be sent. Send date.toISOString() or date.getTime().">
            : T extends ReadonlyMap<any, any>
              ? Refused<"A Map cannot be sent. Send Object.fromEntries(map) or [...map].">
              : T extends ReadonlySet<any>
                ? Refused<"A Set cannot be sent. Send [...set].">
                : T extends PromiseLike<any>
                  ? Refused<"A promise cannot be sent. Await it.">
                  : T extends ArrayBuffer | ArrayBufferView
                    ? Refused<'Bytes cannot be sent. Send Buffer.from(bytes).toString("base64").'>
                    : { [K in keyof T]: Carried<T[K]> }
          : T;
// biome-ignore-end lint/suspicious/noExplicitAny: bounds
