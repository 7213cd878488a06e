/** Agenda 6 on its three backends, PostgreSQL, Redis and MongoDB: jobs stay readable in Agenda's tools. The queue itself is in parts/agenda/queue.ts. */

import { hostname } from "node:os";
import type { Agenda, AgendaBackend, JobParameters } from "agenda";
import { describe, FunboostError } from "../../src/base/errors.ts";
import type { Broker, QueueSpec, Store } from "../../src/contract/index.ts";
import { redisStore } from "../redis/store.ts";
import { checkNames } from "../shared/check-names.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { serverClock } from "./clock.ts";
import { isPlain } from "./jobs.ts";
import { adoptMongo, connectMongo, isMongo, mongoAddress } from "./mongo.ts";
import { type AgendaNews, agendaNews } from "./news.ts";
import { adoptPostgres, connectPostgres, poolOf, postgresAddress } from "./postgres.ts";
import { type AgendaQueue, features, openQueue, type QueueContext } from "./queue.ts";
import { adoptRedis, clientOf, connectRedis } from "./redis.ts";
import { type AgendaLink, ownerPrefix, withoutSecrets } from "./table.ts";
import { installedAgenda, refuseOldAgenda } from "./version.ts";

export interface AgendaOptions {
  /** `postgres://`, `postgresql://`, `redis://`, `rediss://`, `mongodb://` or `mongodb+srv://`: the scheme chooses the backend. @default "postgres://127.0.0.1:5432/postgres" */
  readonly url?: string;
  /** A backend of Agenda that you have made; it is never closed. */
  readonly backend?: AgendaBackend;
  /** Where Agenda keeps its jobs: the table, the collection, or the prefix of the keys. @default Agenda's own: "agenda_jobs", "agendaJobs", "agenda:" */
  readonly collection?: string;
  /** Of the keys of the store on the same Redis. @default "funboost:" */
  readonly storePrefix?: string;
}

/** `brokerOptions` of a task on Agenda. */
export interface AgendaQueueOptions {
  /** Jobs that are done stay, for Agenda's tools. On Redis their number makes counting slower. @default false */
  readonly keepDone?: boolean;
  /** Jobs that failed stay, for Agenda's tools. @default true; on Redis false */
  readonly keepFailed?: boolean;
  /** How long the lock of a bare Agenda worker on the same name is respected, in milliseconds: its `lockLifetime`. @default 600000 */
  readonly lockLifetime?: number;
}

const where = "agenda";
const optionNames = ["url", "backend", "collection", "storePrefix"];

/**
 * Agenda 6.2.6 or later. A queue is a job name; the arguments are the job's `data`.
 * On Redis, counting and looking for lost jobs read all jobs of a name, and so does each claim of a bare Agenda worker: keep its queues below
 * some thousands, or use PostgreSQL. A queue that is longer is warned about.
 *
 * @example
 * const send = boost({ queue: "mail", broker: agenda({ url: "postgres://127.0.0.1/app" }) }, async (to: string) => `sent to ${to}`);
 */
export function agenda(options: AgendaOptions = {}): Broker {
  const source = checkOptions(options);
  const queues = new Set<AgendaQueue>();
  let opening: Promise<Opened> | undefined;
  let store: Store | undefined;
  const opened = () => {
    opening ??= open(source, options).catch((error) => {
      opening = undefined; // the next call tries again
      throw error;
    });
    return opening;
  };
  return {
    name: "agenda",
    features,
    async open(spec) {
      const own = checkSpec(spec);
      const queue = openQueue(contextOf(await opened(), own), spec, () => queues.delete(queue));
      queues.add(queue);
      return queue;
    },
    ...(source === "redis" && options.url ? { store: async () => (store ??= storeOf(options)) } : {}),
    address: () => addressOf(source, options.url),
    async close() {
      const ending = opening;
      opening = undefined;
      await Promise.all([...queues].map((queue) => queue.abandon()));
      await store?.close();
      const found = await ending?.catch(() => undefined);
      await found?.news.close();
      await found?.link.close();
    },
  };
}

type Source = "postgres" | "redis" | "mongo";

interface Opened {
  readonly link: AgendaLink;
  readonly news: AgendaNews;
  readonly time: QueueContext["time"];
  readonly next: QueueContext["next"];
  readonly owner: string;
}

/** Locks name who holds them: Agenda's tools show it. Each broker is somebody else, also in one process. */
const ownerName = () =>
  `${ownerPrefix}${hostname().slice(0, 60)}:${process.pid}:${Math.random().toString(36).slice(2, 8)}`;

async function open(source: Source, { url, backend, collection }: AgendaOptions): Promise<Opened> {
  const next = recurrence(await loadAgenda());
  refuseOldAgenda(installedAgenda());
  const link = backend ? await adopt(source, backend) : await connect(source, url, collection);
  try {
    const owner = ownerName();
    const time = serverClock(() => link.call(() => link.table.now()));
    await time.sync();
    const news = await link.call(() => agendaNews(link.backend, backend === undefined, owner));
    return { link, news, time, next, owner };
  } catch (error) {
    await link.close();
    throw error;
  }
}

function connect(source: Source, url: string | undefined, collection: string | undefined): Promise<AgendaLink> {
  if (source === "redis") return connectRedis(url, collection);
  return source === "mongo" ? connectMongo(url, collection) : connectPostgres(url, collection);
}

function adopt(source: Source, backend: AgendaBackend): Promise<AgendaLink> {
  if (source === "redis") return adoptRedis(backend);
  return source === "mongo" ? adoptMongo(backend) : adoptPostgres(backend);
}

function contextOf(
  { link, news, time, next, owner }: Opened,
  { keepDone = false, keepFailed, lockLifetime = 600_000 }: AgendaQueueOptions,
): QueueContext {
  return {
    link,
    news,
    time,
    next,
    owner,
    keepDone,
    keepFailed: keepFailed ?? link.keepsFailed,
    lockLifetimeMs: lockLifetime,
  };
}

type AgendaModule = Pick<typeof import("agenda"), "Job">;

async function loadAgenda(): Promise<AgendaModule> {
  try {
    return await import("agenda");
  } catch (cause) {
    throw missingPeer("agenda", "agenda", cause);
  }
}

/** Agenda's own arithmetic for `every()`: intervals, cron, time zones, skipped days. */
function recurrence({ Job }: AgendaModule): QueueContext["next"] {
  return (job) => {
    const own = new Job({} as Agenda, job as JobParameters<void>);
    (own as unknown as { computeNextRunAt(): void }).computeNextRunAt(); // private to the compiler only
    return own.attrs.nextRunAt;
  };
}

function storeOf({ url, storePrefix }: AgendaOptions): Store {
  return redisStore({
    ...(url === undefined ? {} : { url }),
    ...(storePrefix === undefined ? {} : { prefix: storePrefix }),
  });
}

function addressOf(source: Source, url: string | undefined): string {
  if (source === "mongo") return mongoAddress(url);
  return source === "postgres" ? postgresAddress(url) : withoutSecrets(url ?? "the given backend");
}

const schemes: readonly (readonly [RegExp, Source])[] = [
  [/^postgres(ql)?:\/\//, "postgres"],
  [/^rediss?:\/\//, "redis"],
  [/^mongodb(\+srv)?:\/\//, "mongo"],
];

/** Options may come from configuration, unseen by the compiler. Answers which backend they mean. */
function checkOptions(options: AgendaOptions): Source {
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

function checkSpec({ queue, options }: QueueSpec): AgendaQueueOptions {
  if (queue === "" || !isPlain(queue)) {
    throw new FunboostError(
      "BAD_QUEUE",
      `a queue name is text without NUL and halves of surrogate pairs, got ${describe(queue)}.`,
      { where },
    );
  }
  checkNames(where, options, ["keepDone", "keepFailed", "lockLifetime"], `brokerOptions of "${queue}"`);
  const own = options as AgendaQueueOptions;
  for (const name of ["keepDone", "keepFailed"] as const) {
    if (own[name] !== undefined && typeof own[name] !== "boolean")
      throw new FunboostError("BAD_OPTION", `"${name}" must be true or false, got ${describe(own[name])}.`, { where });
  }
  if (own.lockLifetime !== undefined && !(Number(own.lockLifetime) >= 1_000)) {
    throw new FunboostError(
      "BAD_OPTION",
      `"lockLifetime" must be milliseconds, at least 1000, got ${describe(own.lockLifetime)}.`,
      { where },
    );
  }
  return own;
}
