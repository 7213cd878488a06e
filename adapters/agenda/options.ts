/** The options of the Agenda adapter: types, defaults, and what is refused before anything is opened. */
import type { AgendaBackend } from "agenda";
import { type Duration, durationMs } from "../../src/base/duration.ts";
import { describe, FunboostError } from "../../src/base/errors.ts";
import type { QueueSpec } from "../../src/contract/index.ts";
import { checkNames } from "../shared/check-names.ts";
import { withoutSecrets } from "../shared/urls.ts";
import { isMongo } from "./mongo.ts";
import { isPlain } from "./plain-text.ts";
import { poolOf } from "./postgres.ts";
import { clientOf } from "./redis.ts";

export interface AgendaOptions {
  /**
   * `postgres://`, `postgresql://`, `redis://`, `rediss://`, `mongodb://` or `mongodb+srv://`: the scheme chooses the
   * backend.
   * @default "postgres://127.0.0.1:5432/postgres"
   */
  readonly url?: string | undefined;
  /** A backend of Agenda that you have made; it is never closed. */
  readonly backend?: AgendaBackend;
  /**
   * Where Agenda keeps its jobs: the table, the collection, or the prefix of the keys.
   * @default Agenda's own: "agenda_jobs", "agendaJobs", "agenda:"
   */
  readonly collection?: string;
  /** Of the keys of the store on the same Redis. @default "funboost:" */
  readonly storePrefix?: string;
}

/** `brokerOptions` of a task on Agenda. */
export interface AgendaQueueOptions {
  /**
   * Jobs that are done stay, for Agenda's tools. On Redis their number makes counting slower.
   * @default false; with `adopt` true
   */
  readonly keepDone?: boolean;
  /** Jobs that failed stay, for Agenda's tools. @default true; on Redis false, but with `adopt` */
  readonly keepFailed?: boolean;
  /**
   * What `define()` took as `backoff`, for jobs of others on an adopted queue: without it each has one run, as by
   * Agenda. Null ends the retries.
   */
  readonly backoff?: AgendaBackoff;
  /**
   * How long the lock of a bare Agenda worker on the same name is respected: its `lockLifetime`, at least a second.
   * @default "10m"
   */
  readonly lockLifetime?: Duration;
}

/** As Agenda's own strategies are: `backoffStrategies.exponential({ delay: 1000 })`. */
export type AgendaBackoff = (context: {
  readonly attempt: number;
  readonly error: Error;
  readonly jobName: string;
  readonly jobData: unknown;
}) => number | null;

export type Source = "postgres" | "redis" | "mongo";

const where = "agenda";
const optionNames = ["url", "backend", "collection", "storePrefix"];

const schemes: readonly (readonly [RegExp, Source])[] = [
  [/^postgres(ql)?:\/\//, "postgres"],
  [/^rediss?:\/\//, "redis"],
  [/^mongodb(\+srv)?:\/\//, "mongo"],
];

/** Options may come from configuration, unseen by the compiler. Answers which backend they mean. */
export function checkOptions(options: AgendaOptions): Source {
  checkNames(where, options, optionNames, "agenda()");
  const { url, backend } = options;
  if (url && backend) throw new FunboostError("BAD_OPTION", 'takes "url" or "backend", not both.', { where });
  if (backend) return kindOf(backend);
  if (url === undefined || url === "") return "postgres";
  const found = schemes.find(([scheme]) => scheme.test(url));
  if (found) return found[1];
  const given = typeof url === "string" ? JSON.stringify(withoutSecrets(url)) : describe(url);
  throw new FunboostError(
    "BAD_OPTION",
    `url must begin with postgres://, postgresql://, redis://, rediss://, mongodb:// or mongodb+srv://, got ${given}.`,
    {
      where,
    },
  );
}

function kindOf(backend: AgendaBackend): Source {
  if (typeof backend !== "object" || typeof backend.repository !== "object") {
    throw new FunboostError(
      "BAD_OPTION",
      `backend must be a PostgresBackend, RedisBackend or MongoBackend of Agenda 6, got ${describe(backend)}.`,
      { where },
    );
  }
  if (poolOf(backend)) return "postgres";
  if (clientOf(backend)) return "redis";
  if (isMongo(backend)) return "mongo";
  throw new FunboostError(
    "BAD_OPTION",
    `takes Agenda's backends for PostgreSQL, Redis and MongoDB, got "${backend.name}". Set "url", or use one of these.`,
    {
      where,
    },
  );
}

export function checkSpec({ queue, options }: QueueSpec): AgendaQueueOptions {
  if (queue === "" || !isPlain(queue)) {
    throw new FunboostError(
      "BAD_QUEUE",
      `a queue name is text without NUL and halves of surrogate pairs, got ${describe(queue)}.`,
      { where },
    );
  }
  checkNames(where, options, ["keepDone", "keepFailed", "backoff", "lockLifetime"], `brokerOptions of "${queue}"`);
  const own = options as AgendaQueueOptions;
  for (const name of ["keepDone", "keepFailed"] as const) {
    if (own[name] !== undefined && typeof own[name] !== "boolean")
      throw new FunboostError("BAD_OPTION", `"${name}" must be true or false, got ${describe(own[name])}.`, { where });
  }
  if (own.backoff !== undefined && typeof own.backoff !== "function") {
    const text = `"backoff" must be a function such as backoffStrategies.standard(), got ${describe(own.backoff)}.`;
    throw new FunboostError("BAD_OPTION", text, { where });
  }
  const { lockLifetime = 1_000 } = own;
  if (durationMs(lockLifetime, "lockLifetime") < 1_000) {
    const text = `"lockLifetime" must be at least "1s" (1000 milliseconds), got ${describe(lockLifetime)}.`;
    throw new FunboostError("BAD_OPTION", text, { where });
  }
  return own;
}
