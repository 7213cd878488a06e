/** What funboost says: one line an event, silent about message bodies unless asked. */
import { maskSecrets } from "./errors.ts";

const levels = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof levels)[number];

/** The shape of pino's and most loggers' methods: fields first, then the text. */
export interface Logger {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface LogOptions {
  /** @default "info" */
  readonly level?: LogLevel;
  /** Your own logger; without one, lines go to stderr. */
  readonly logger?: Logger;
  /** Log message bodies. @default false */
  readonly bodies?: boolean;
  /** Log the stacks of errors. @default true */
  readonly stacks?: boolean;
}

const silent = () => {};

export function createLogger(options: LogOptions = {}): Logger {
  const { level = "info", logger = stderrLogger, stacks = true } = options;
  const least = levels.indexOf(level);
  const method = (name: keyof Logger) =>
    levels.indexOf(name) < least ? silent : (fields: object, text: string) => logger[name](stacks ? fields : withoutStack(fields), maskSecrets(text));
  return { debug: method("debug"), info: method("info"), warn: method("warn"), error: method("error") };
}

/** Fields of `base` on every line. */
export function childLogger(logger: Logger, base: object): Logger {
  const method = (name: keyof Logger) => (fields: object, text: string) => logger[name]({ ...base, ...fields }, text);
  return { debug: method("debug"), info: method("info"), warn: method("warn"), error: method("error") };
}

function withoutStack(fields: object): object {
  const { error } = fields as { error?: unknown };
  return error instanceof Error ? { ...fields, error: `${error.name}: ${error.message}` } : fields;
}

function line(level: string) {
  return (fields: object, text: string) => {
    const parts = Object.entries(fields).map(([key, value]) => `${key}=${fieldText(value)}`);
    process.stderr.write(`${[new Date().toISOString(), level, text, ...parts].join(" ")}\n`);
  };
}

function fieldText(value: unknown): string {
  if (value instanceof Error) return maskSecrets(value.stack ?? `${value.name}: ${value.message}`);
  return typeof value === "string" ? value : JSON.stringify(value);
}

const stderrLogger: Logger = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
