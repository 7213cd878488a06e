/** Errors as data: how they travel between processes, and how anything that was thrown becomes one. */
import { maskSecrets } from "./mask-secrets.ts";

export type ErrorClass = new (...args: never[]) => Error;

export interface SerializedError {
  readonly name: string;
  readonly message: string;
  /** The constructor's name, where it is another. */
  readonly class?: string;
  readonly stack?: string;
  readonly code?: string | number;
  readonly cause?: SerializedError | { readonly value: string };
}

const maxDepth = 5;
/** Of a message and a stack: a message that holds the rows of an insert must not be too large for its engine. */
const longestText = 65_536;
const longestName = 200;
/** No mask looks further than for one that begins among what is shown. */
const longestAddress = 2_000;
const longestJson = 200;
/** Where a rebuilt error keeps the name of its class. */
const classKey = Symbol.for("funboost.class");
/** Of copies that nobody changes: what they were made of. */
const known = new WeakMap<object, SerializedError>();

/** A thrown value as an Error. Of a task's own, `copyError` is asked: what this answers may be the user's object. */
export function toError(thrown: unknown): Error {
  return isError(thrown) ? thrown : (reviveError(serializeError(thrown)) as Error);
}

/** A proxy that was revoked throws at `instanceof` too. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error;
  } catch {
    return false;
  }
}

/** A short text for a value in an error message; never its whole content. */
export function describe(value: unknown): string {
  try {
    return describeReadable(value);
  } catch {
    return `${typeof value === "function" ? "a function" : "an object"} that cannot be read`;
  }
}

function describeReadable(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string") return describeText(maskSecrets(value.slice(0, longestAddress)));
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `function ${value.name || "(anonymous)"}`;
  if (typeof value === "symbol") return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
  return typeof name === "string" && name && name !== "Object" ? `a ${name}` : "an object";
}

function describeText(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

/**
 * Name, message, stack, code and cause, five deep, and nothing else: an HTTP client's error carries its Authorization
 * header. Each is read once, in a try of its own: a getter may throw. Addresses in them show no password.
 */
export function serializeError(thrown: unknown, depth = 1): SerializedError {
  if (typeof thrown !== "object" || thrown === null) return { name: "Error", message: textOf(thrown) };
  return known.get(thrown) ?? readError(thrown, depth);
}

function readError(thrown: object, depth: number): SerializedError {
  const made = readMember(thrown, classKey).value ?? constructorName(thrown);
  const own = readMember(thrown, "name").value;
  const className = typeof made === "string" ? made : "";
  const name = (typeof own === "string" && own.slice(0, longestName)) || className || "Error";
  const stack = readMember(thrown, "stack").value;
  const code = readMember(thrown, "code").value;
  const cause = depth < maxDepth ? causeOf(thrown, depth) : undefined;
  return {
    name,
    message: messageOf(thrown),
    ...(className && className !== name && className !== "Error" ? { class: className } : {}),
    ...(typeof stack === "string" && stack ? { stack: carried(stack) } : {}),
    ...(isCode(code) ? { code: typeof code === "string" ? carried(code, longestName) : code } : {}),
    ...(cause ? { cause } : {}),
  };
}

/** The error back from its data; a class only if it is listed, by the error's name or by its constructor's. */
export function reviveError(
  data: SerializedError | { readonly value: string },
  classes: readonly ErrorClass[] = [],
): unknown {
  if (!("message" in data)) return data.value;
  const listed = classes.find(({ name }) => name === data.name) ?? classes.find(({ name }) => name === data.class);
  return rebuild(listed ? Object.create(listed.prototype) : new Error(data.message), data, classes);
}

/** An error to be handed on inside, which nobody changes. What `make` makes takes no stack: `data` has one. */
export function copyOf<E extends Error>(data: SerializedError, make: () => E): E {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    const copy = rebuild(make(), data);
    known.set(copy, data);
    return copy;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Makes `error` what `data` says. */
function rebuild<E extends Error>(error: E, data: SerializedError, classes: readonly ErrorClass[] = []): E {
  const hidden = (key: string | symbol, value: unknown) =>
    Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false });
  hidden("message", data.message);
  hidden("name", data.name);
  hidden("stack", data.stack ?? `${data.name}: ${data.message}`);
  hidden("toJSON", toJSON);
  hidden(classKey, data.class ?? data.name);
  if (data.cause) hidden("cause", reviveError(data.cause, classes));
  const { code: value } = data; // its class may have a getter of that name
  if (value !== undefined)
    Object.defineProperty(error, "code", { value, configurable: true, writable: true, enumerable: true });
  return error;
}

/** Members of an Error are not enumerable: without it a row would hold `{}`. */
function toJSON(this: Error): SerializedError {
  return serializeError(this);
}

function isCode(code: unknown): code is string | number {
  return typeof code === "string" || Number.isFinite(code);
}

function readMember(source: object, key: string | symbol): { readonly value?: unknown; readonly problem?: string } {
  try {
    return { value: (source as Record<string | symbol, unknown>)[key] };
  } catch (thrown) {
    return { problem: problemText(thrown) };
  }
}

/** What a getter threw; it is asked for no more than its message. */
function problemText(thrown: unknown): string {
  try {
    const { message } = thrown as Error;
    if (typeof message === "string") return carried(message);
  } catch {
    // It throws as well.
  }
  return describe(thrown);
}

/** Of what has one beside Object. */
function constructorName(source: object): string | undefined {
  try {
    const name: unknown = Object.getPrototypeOf(source)?.constructor?.name;
    return typeof name === "string" && name !== "Object" ? name.slice(0, longestName) : undefined;
  } catch {
    return undefined;
  }
}

function messageOf(thrown: object): string {
  const { value, problem } = readMember(thrown, "message");
  if (typeof value === "string") return carried(value);
  if (problem !== undefined) return `its message cannot be read: ${problem}`;
  if (!isError(thrown)) return textOf(thrown);
  return value === undefined ? "" : shortJson(value);
}

function textOf(thrown: unknown): string {
  return typeof thrown === "string" ? carried(thrown) : `A task threw ${shortJson(thrown)}, which is no Error.`;
}

/** Of a plain object or a list; all else is described. */
function shortJson(value: unknown): string {
  try {
    const prototype = typeof value === "object" && value !== null ? Object.getPrototypeOf(value) : undefined;
    const plain = prototype === Object.prototype || prototype === null || Array.isArray(value);
    const text = plain ? maskSecrets(JSON.stringify(value).slice(0, longestText)) : describe(value);
    return text.length > longestJson ? `${text.slice(0, longestJson)}…` : text;
  } catch {
    return describe(value); // a getter or a toJSON that throws, a bigint, a circle
  }
}

function causeOf(thrown: object, depth: number): SerializedError["cause"] {
  const { value, problem } = readMember(thrown, "cause");
  if (problem !== undefined) return { value: `cannot be read: ${problem}` };
  if (value === undefined) return undefined;
  const isObject = typeof value === "object" && value !== null;
  if (isObject && (isError(value) || typeof readMember(value, "message").value === "string"))
    return serializeError(value, depth + 1);
  return { value: describe(value) };
}

/** Without the passwords of addresses, then short enough for every engine: a cut would leave half of a password. */
function carried(text: string, longest = longestText): string {
  const masked = maskSecrets(text.slice(0, 2 * longestText));
  return masked.length > longest ? `${masked.slice(0, longest).replace(/[\ud800-\udbff]$/, "")}…` : masked;
}
