/** The options `use`, `usePublish`, `input` and `output`: what stands around a run and around a publish. */

import type { TaskContext } from "../task/context.ts";
import type { Handle } from "../task/handle.ts";
import { type Check, isRecord, refuseOption } from "./checks.ts";
import type { PublishOptions } from "./publish.ts";

/**
 * Around each run: `next()` runs the task. What it answers is the result. One that answers nothing must have called
 * `next()`.
 */
export type Middleware = (task: TaskContext, next: () => Promise<unknown>) => unknown;

/** One message on its way out. */
export interface Outgoing {
  readonly args: readonly unknown[];
  readonly options: PublishOptions;
}

/**
 * Around each publish: `next()` publishes, as it is or changed, and once: a second call is refused unless the first one
 * failed. Throwing refuses it.
 */
export type PublishMiddleware = (
  outgoing: Outgoing,
  next: (changed?: Partial<Outgoing>) => Promise<Handle>,
) => Promise<Handle>;

/**
 * What zod, valibot, arktype and others implement: https://standardschema.dev, version 1. `In` is what it takes, `Out`
 * what it makes of it; a plain `Schema` says nothing of them, and fits any task.
 */
// biome-ignore lint/suspicious/noExplicitAny: to fit any task
export interface Schema<In = any, Out = In> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    /** For the compiler only. */
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
    validate(value: unknown): Validated | Promise<Validated>;
  };
}

export type Validated =
  | { readonly value: unknown; readonly issues?: undefined }
  | { readonly issues: readonly Issue[] };

export interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export const checkMiddleware: Check = (value, name) => {
  const isOne = (each: unknown) => typeof each === "function";
  if (!Array.isArray(value) || !value.every(isOne))
    refuseOption(
      name,
      Array.isArray(value) ? value.find((each) => !isOne(each)) : value,
      "a list of functions (task, next) => next()",
    );
};

export const checkSchema: Check = (value, name) => {
  const standard =
    (typeof value === "function" || isRecord(value)) && (value as unknown as Partial<Schema>)["~standard"];
  if (!standard || typeof standard.validate !== "function" || standard.version !== 1)
    refuseOption(name, value, "a schema of zod, valibot, arktype or another that follows Standard Schema, version 1");
};
