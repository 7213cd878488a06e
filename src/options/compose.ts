/** Middleware and schemas put around a run and around a publish. */
import { within } from "../base/clock.ts";
import { copyError, describe, FunboostError } from "../base/errors.ts";
import { fct } from "../task/context.ts";
import { DeadLetterError, FatalError } from "../task/errors.ts";
import type { Handle } from "../task/handle.ts";
import type { AnyFunction, Signature } from "../wire/signature.ts";
import { isRecord } from "./checks.ts";
import type { Issue, Middleware, Outgoing, PublishMiddleware, Schema, Validated } from "./middleware.ts";
import type { Options } from "./task.ts";

/** What is called for a run: the function, in its schemas and middleware. */
export function composeRun(
  fn: AnyFunction,
  signature: Signature,
  { use, input, output }: Pick<Options, "use" | "input" | "output">,
): AnyFunction {
  if (use.length === 0 && !input && !output) return fn;
  const refusal = (text: string) => new DeadLetterError(`bad input: ${text}`);
  return async (...args: unknown[]) => {
    const valid = input ? await validateArgs(input, args, signature, refusal) : args;
    const run = async (): Promise<unknown> => fn(...valid);
    const value = await use.reduceRight<() => Promise<unknown>>(
      (next, each, i) => () => callMiddleware(each, i, next),
      run,
    )();
    return output ? validate(output, value, (text) => new FatalError(`bad output: ${text}`)) : value;
  };
}

/** What is called for a publish: `publish`, in its middleware. */
export function composePublish(
  use: readonly PublishMiddleware[],
  publish: (outgoing: Outgoing) => Promise<Handle>,
): (outgoing: Outgoing) => Promise<Handle> {
  return use.reduceRight<(outgoing: Outgoing) => Promise<Handle>>(
    (next, each, i) => (outgoing) => callPublishMiddleware(each, i, outgoing, next),
    publish,
  );
}

/**
 * Before anything is sent: the arguments as they are, or BAD_ARGS. A schema that asks a server gets as long as the
 * publish has.
 */
export async function checkInput(
  input: Schema,
  args: readonly unknown[],
  signature: Signature,
  { queue, publishTimeoutMs }: Pick<Options, "queue" | "publishTimeoutMs">,
): Promise<void> {
  const refusal = (text: string) => new FunboostError("BAD_ARGS", `bad input: ${text}`, { where: queue });
  const validation = validateArgs(input, args, signature, refusal);
  if (!(await within(validation, publishTimeoutMs))) {
    validation.catch(() => {}); // nobody waits for it any more
    throw refusal(`the schema did not answer within ${publishTimeoutMs} ms (publishTimeout)`);
  }
}

async function callMiddleware(middleware: Middleware, index: number, next: () => Promise<unknown>): Promise<unknown> {
  let run: Promise<unknown> | undefined;
  let failedRun: Promise<unknown> | undefined;
  const value = await middleware(fct, () => {
    const latest = next();
    run = latest;
    latest.catch(() => void (failedRun = latest)); // whoever called next() may look at it late, or never
    return latest;
  });
  if (value !== undefined || (run && failedRun === run)) return value; // it has caught the error
  if (run) return run; // maybe not awaited: the run is not over before its work is
  throw new FunboostError(
    "BAD_OPTION",
    `use[${index}] answered nothing and did not call next(): the task has not run. Call next(), or answer its result.`,
    fct.queue === undefined ? {} : { where: fct.queue },
  );
}

/** Answers what the middleware does; one that answers nothing must have called `next()`, and none may call it twice. */
async function callPublishMiddleware(
  middleware: PublishMiddleware,
  index: number,
  outgoing: Outgoing,
  next: (outgoing: Outgoing) => Promise<Handle>,
): Promise<Handle> {
  let publishing: Promise<Handle> | undefined;
  let calls = 0;
  const publish = async (changed?: Partial<Outgoing>) => {
    if (calls++ > 0) throw calledTwice(index, await publishing);
    publishing = next(changeOutgoing(outgoing, changed, index));
    publishing.catch(() => void (calls = 0)); // one that failed may be tried again
    return publishing;
  };
  const handle: Handle | undefined = await middleware(outgoing, (changed) => {
    const answer = publish(changed);
    answer.catch(() => {}); // whoever called next() may look at it late, or never
    return answer;
  });
  if (calls > 1) throw calledTwice(index, await publishing);
  if (handle ?? publishing) return handle ?? (publishing as Promise<Handle>);
  throw new FunboostError(
    "BAD_OPTION",
    `usePublish[${index}] answered nothing and did not call next(): nothing was published. ` +
      "Call next(), or throw to refuse the message.",
  );
}

function calledTwice(index: number, first: Handle | undefined): FunboostError {
  return new FunboostError(
    "BAD_OPTION",
    `usePublish[${index}] called next() twice: a push publishes one message, and the first call did, as ` +
      `"${first?.id}". Push again for another.`,
  );
}

function changeOutgoing(outgoing: Outgoing, changed: Partial<Outgoing> = {}, index: number): Outgoing {
  const { args, options } = changed;
  if (args !== undefined && !Array.isArray(args))
    throw new FunboostError(
      "BAD_ARGS",
      `usePublish[${index}] called next() with args ${describe(args)}. Allowed: a list of arguments.`,
    );
  return { args: args ?? outgoing.args, options: options ?? outgoing.options };
}

type Refusal = (text: string) => Error;

/**
 * One argument is checked as it is, several as a list. Which of them a schema is for cannot be read from it: a single
 * argument that does not fit as it is may be a list whose end is left out, where the task takes several.
 */
async function validateArgs(
  schema: Schema,
  args: readonly unknown[],
  { names, rest }: Signature,
  refusal: Refusal,
): Promise<readonly unknown[]> {
  if (args.length > 1) return listOf(await validate(schema, args, refusal), refusal);
  const one = await ask(schema, args[0], refusal);
  if (!one.issues) return [one.value];
  const list = rest || names.length > 1 ? await ask(schema, args, refusal) : one;
  if (!list.issues) return listOf(list.value, refusal);
  const isForLists = list.issues.every(({ path }) => path && path.length > 0); // it has looked into the list
  throw refusal(textOf(isForLists ? list.issues : one.issues));
}

function listOf(value: unknown, refusal: Refusal): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw refusal(`the schema answered ${describe(value)} for a list of arguments`);
}

async function validate(schema: Schema, value: unknown, refusal: Refusal): Promise<unknown> {
  const result = await ask(schema, value, refusal);
  if (result.issues) throw refusal(textOf(result.issues));
  return result.value;
}

/** A schema that throws refuses too. */
async function ask(schema: Schema, value: unknown, refusal: Refusal): Promise<Validated> {
  const result = await Promise.resolve()
    .then(() => schema["~standard"].validate(value))
    .catch((error: unknown): Validated => ({ issues: [{ message: `the schema threw ${copyError(error).message}` }] }));
  if (isRecord(result)) return result;
  throw refusal(`the schema answered ${describe(result)}, which is neither { value } nor { issues }`);
}

function textOf(issues: readonly Issue[]): string {
  return issues.map(issueText).join("; ");
}

function issueText({ message, path }: Issue): string {
  const place = path?.map((each) => String(typeof each === "object" ? each.key : each)).join(".");
  return place ? `${place}: ${message}` : message;
}
