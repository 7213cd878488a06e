/** What funboost says: one line an event, silent about message bodies unless asked. No logger can break the work. */
import {
  describe,
  type ErrorClass,
  isError,
  isFunboostError,
  reviveError,
  type SerializedError,
  serializeError,
  toError,
} from "./errors.ts";
import { stringifyJson } from "./json.ts";
import { maskSecrets } from "./mask-secrets.ts";
import { printable, printableStack } from "./printable.ts";

const levels = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof levels)[number];

/** The shape of pino's and most loggers' methods: fields first, then the text. */
export interface Logger {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

interface LogCall {
  (textOrError: string | Error): void;
  (fields: object, text: string): void;
}

/**
 * What `fct.logger` is: a text or an error alone will do.
 *
 * @example
 * const say = (logger: TaskLogger) => logger.info("started");
 */
export type TaskLogger = { readonly [Name in keyof Logger]: LogCall };

export interface LogOptions {
  /** @default "info" */
  readonly level?: LogLevel;
  /**
   * Your own logger; without one, lines go to stderr. Errors in the fields hold name, message, stack, code and cause
   * only. Texts and messages are one line without control characters, stacks are indented; other fields are data.
   */
  readonly logger?: Logger;
  /** Log message bodies. @default false */
  readonly bodies?: boolean;
  /** Log the stacks of errors. @default true */
  readonly stacks?: boolean;
  /**
   * A line a minute about each queue that is consumed and has work: how fast, what is left, what holds it.
   * @default true
   */
  readonly summary?: boolean;
  /** Which lines are written: those for which it answers true. One that throws lets the line pass. @default all */
  readonly filter?: (line: LogLine) => boolean;
}

/** What a filter sees. */
export interface LogLine {
  readonly level: Exclude<LogLevel, "silent">;
  readonly text: string;
  /** Absent on lines that are about no queue. */
  readonly queue?: string;
  readonly taskId?: string;
  /** All of them, `error` among them where there is one. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const silent = () => {};

export function createLogger(options: LogOptions = {}): Logger {
  const { level = "info", logger = stderrLogger, stacks = true, filter } = options;
  const least = levels.indexOf(level);
  const write = (name: keyof Logger, fields: object, text: string) =>
    guard(logger, () => logger[name](plainFields(fields, stacks), safeText(text)));
  const method = (name: keyof Logger) => {
    if (levels.indexOf(name) < least) return silent;
    if (!filter) return (fields: object, text: string) => write(name, fields, text);
    return (fields: object, text: string) =>
      passes(filter, name, fields, text) ? write(name, fields, text) : undefined;
  };
  return { debug: method("debug"), info: method("info"), warn: method("warn"), error: method("error") };
}

/** Whether the line a minute would be written at all: it costs a count. */
export function summaryWanted({ level = "info", summary = true }: LogOptions): boolean {
  return summary && levels.indexOf(level) <= levels.indexOf("info");
}

/** Fields of `base` on every line. */
export function childLogger(logger: Logger, base: object): Logger {
  const method = (name: keyof Logger) => (fields: object, text: string) => logger[name](withBase(base, fields), text);
  return { debug: method("debug"), info: method("info"), warn: method("warn"), error: method("error") };
}

/** A text or an error alone is a line too, as to most loggers. */
export function taskLogger(logger: Logger): TaskLogger {
  const method = (name: keyof Logger) => (given: object | string, text?: string) => {
    if (typeof given === "string") logger[name]({}, given);
    else if (typeof given !== "object" || given === null) logger[name]({}, text ?? String(given));
    else logger[name](given, text ?? (isError(given) ? toError(given).message : ""));
  };
  return { debug: method("debug"), info: method("info"), warn: method("warn"), error: method("error") };
}

function passes(filter: NonNullable<LogOptions["filter"]>, level: keyof Logger, given: object, text: string): boolean {
  try {
    const fields = asFields(given) as Record<string, unknown>;
    return filter({ ...subjectOf(fields), level, text, fields });
  } catch {
    return true;
  }
}

function subjectOf({ queue, taskId }: Record<string, unknown>): Pick<LogLine, "queue" | "taskId"> {
  return { ...(typeof queue === "string" && { queue }), ...(typeof taskId === "string" && { taskId }) };
}

function withBase(base: object, fields: object): object {
  try {
    return { ...base, ...asFields(fields) };
  } catch {
    return base; // a getter of the user's threw
  }
}

/** Most loggers take an error in place of the fields. */
function asFields(fields: object): object {
  return isError(fields) ? { error: fields } : fields;
}

const brokenLoggers = new WeakSet<Logger>();

function guard(logger: Logger, write: () => unknown): void {
  try {
    const written = write();
    if (written instanceof Promise) written.catch((error) => sayFailed(logger, error));
  } catch (error) {
    sayFailed(logger, error);
  }
}

/** Once for each logger. */
function sayFailed(logger: Logger, error: unknown): void {
  if (brokenLoggers.has(logger)) return;
  brokenLoggers.add(logger);
  try {
    stderrLogger.warn(
      { error: plainError(toError(error)) },
      "the logger failed: some lines are lost, the work goes on",
    );
  } catch {
    // Nobody is left to tell.
  }
}

/** The same object unless it holds errors. */
function plainFields(given: object, stacks: boolean): object {
  const fields = asFields(given);
  const errors = Object.entries(fields).filter((entry): entry is [string, Error] => isError(entry[1]));
  if (errors.length === 0) return fields;
  return {
    ...fields,
    ...Object.fromEntries(
      errors.map(([key, error]) => [key, stacks ? plainError(error) : errorText(plainError(error))]),
    ),
  };
}

/** No password, and one line. */
function safeText(text: string): string {
  return printable(maskSecrets(text));
}

function errorText(error: Error): string {
  return `${error.name}: ${error.message}`;
}

/**
 * Name, message, stack, code and cause: an HTTP client's error also holds the request with its Authorization header.
 */
function plainError(error: Error): Error {
  try {
    const ours = isFunboostError(error);
    const copy = reviveError(
      printableError(serializeError(error)),
      ours ? [error.constructor as ErrorClass] : [],
    ) as Error;
    // For isFunboostError().
    return ours ? Object.defineProperty(copy, Symbol.for("funboost.error"), { value: true }) : copy;
  } catch {
    const unreadable = new Error(describe(error));
    return Object.defineProperty(unreadable, "stack", { value: errorText(unreadable) });
  }
}

function printableError(data: SerializedError): SerializedError {
  const { name, message, stack, cause } = data;
  const head = `${name}: ${message}`;
  return {
    ...data,
    name: printable(name),
    message: printable(message),
    stack: printableStack(stack ?? head, head),
    ...(cause ? { cause: "message" in cause ? printableError(cause) : { value: printable(cause.value) } } : {}),
  };
}

function line(level: string) {
  return (fields: object, text: string) => {
    const parts = Object.entries(fields).map(([key, value]) => `${printable(key)}=${fieldText(value)}`);
    // A closed pipe is an "error" event, which would end the process.
    process.stderr.write(`${[new Date().toISOString(), level, text, ...parts].join(" ")}\n`, (error) => {
      if (error && !process.stderr.listeners("error").includes(silent)) process.stderr.on("error", silent);
    });
  };
}

function fieldText(value: unknown): string {
  return isError(value) ? (value.stack ?? errorText(value)) : safeText(plainText(value));
}

function plainText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" && typeof value !== "bigint") return describe(value);
  try {
    return stringifyJson(value);
  } catch {
    return describe(value); // a cycle, or a getter or toJSON that throws
  }
}

const stderrLogger: Logger = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
