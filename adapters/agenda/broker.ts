/** Agenda 6 on its three backends, PostgreSQL, Redis and MongoDB: jobs stay readable in Agenda's tools. */

import { hostname } from "node:os";
import type { Agenda, AgendaBackend, JobParameters } from "agenda";
import { durationMs } from "../../src/base/duration.ts";
import { isFunboostError } from "../../src/base/errors.ts";
import type { Broker, Store } from "../../src/contract/index.ts";
import { postgresStore } from "../postgres/store.ts";
import { redisStore } from "../redis/store.ts";
import { missingPeer } from "../shared/missing-peer.ts";
import { usePeer } from "../shared/peer.ts";
import { withoutSecrets } from "../shared/urls.ts";
import type { AgendaLink } from "./link.ts";
import { adoptMongo, connectMongo, mongoAddress } from "./mongo.ts";
import { type AgendaNotices, createNotices } from "./notices.ts";
import { type AgendaOptions, type AgendaQueueOptions, checkOptions, checkSpec, type Source } from "./options.ts";
import { adoptPostgres, connectPostgres, postgresAddress } from "./postgres.ts";
import { type AgendaQueue, features, openQueue, type QueueContext } from "./queue.ts";
import { adoptRedis, connectRedis } from "./redis.ts";
import { createServerClock } from "./server-clock.ts";
import { ownerPrefix } from "./table.ts";

export type { AgendaOptions, AgendaQueueOptions };

declare module "../../src/contract/brokers.ts" {
  interface Brokers {
    agenda: { options: AgendaOptions; brokerOptions: AgendaQueueOptions };
  }
}

/**
 * Agenda 6.2.6 or later. A queue is a job name; the arguments are the job's `data`.
 * On Redis, counting and looking for lost jobs read all jobs of a name, and so does each claim of a bare Agenda worker:
 * keep its queues below some thousands, or use PostgreSQL. A queue that is longer is warned about.
 *
 * @example
 * const broker = agenda({ url: "postgres://127.0.0.1/app" });
 * const send = boost({ queue: "mail", broker }, async (to: string) => `sent to ${to}`);
 */
export function agenda(options: AgendaOptions = {}): Broker<AgendaQueueOptions> {
  const source = checkOptions(options);
  const queues = new Set<AgendaQueue>();
  let opening: Promise<OpenAgenda> | undefined;
  let store: Store | undefined;
  const openOnce = () => {
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
      const own = { adopt: spec.adopt ?? false, ...checkSpec(spec) };
      const queue = openQueue(contextOf(await openOnce(), own), spec, () => queues.delete(queue));
      queues.add(queue);
      return queue;
    },
    ...(source === "redis" && options.url ? { store: async () => (store ??= storeOf(options)) } : {}),
    ...(source === "postgres" && !options.backend
      ? { store: async (configured?: Store) => configured ?? usable((store ??= postgresStore({ url: options.url }))) }
      : {}),
    address: () => addressOf(source, options.url),
    async close() {
      const ending = opening;
      opening = undefined;
      await Promise.all([...queues].map((queue) => queue.abandon()));
      await store?.close();
      const found = await ending?.catch(() => undefined);
      await found?.notices.close();
      await found?.link.close();
    },
  };
}

interface OpenAgenda {
  readonly link: AgendaLink;
  readonly notices: AgendaNotices;
  readonly time: QueueContext["time"];
  readonly next: QueueContext["next"];
  readonly owner: string;
}

/** Locks name who holds them: Agenda's tools show it. Each broker is somebody else, also in one process. */
const ownerName = () =>
  `${ownerPrefix}${hostname().slice(0, 60)}:${process.pid}:${Math.random().toString(36).slice(2, 8)}`;

async function open(source: Source, { url, backend, collection }: AgendaOptions): Promise<OpenAgenda> {
  const next = recurrence(await loadAgenda(source));
  const link = backend ? await adopt(source, backend) : await connect(source, url, collection);
  try {
    const owner = ownerName();
    const time = createServerClock(() => link.call(() => link.table.now()));
    await time.sync();
    const notices = await link.call(() => createNotices(link.backend, backend === undefined, owner));
    return { link, notices, time, next, owner };
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
  { link, notices, time, next, owner }: OpenAgenda,
  { adopt, keepDone = adopt, keepFailed, backoff, lockLifetime = "10m" }: AgendaQueueOptions & { adopt: boolean },
): QueueContext {
  return {
    link,
    notices,
    time,
    next,
    owner,
    keepDone,
    keepFailed: keepFailed ?? (adopt || link.keepsFailed),
    backoff,
    lockLifetimeMs: durationMs(lockLifetime, "lockLifetime"),
  };
}

type AgendaModule = Pick<typeof import("agenda"), "Job">;

const backends = {
  mongo: "@agendajs/mongo-backend",
  postgres: "@agendajs/postgres-backend",
  redis: "@agendajs/redis-backend",
};

async function loadAgenda(source: Source): Promise<AgendaModule> {
  try {
    return usePeer("agenda", "agenda", await import("agenda"), "Job");
  } catch (cause) {
    throw missingPeer("agenda", "agenda", cause, [backends[source]]);
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

/** Agenda's own user may have no right to make tables, and `pg` may lie where only its backend finds it: none then. */
async function usable(store: Store): Promise<Store | undefined> {
  try {
    await store.set([{ key: "usable", value: "", ttlMs: 1_000 }]);
    return store;
  } catch (error) {
    if (!isFunboostError(error) || !/^(BROKER_REFUSED|MISSING_PEER)$/.test(error.code)) throw error;
    await store.close();
    return undefined;
  }
}

function addressOf(source: Source, url: string | undefined): string {
  if (source === "mongo") return mongoAddress(url);
  return source === "postgres" ? postgresAddress(url) : withoutSecrets(url ?? "the given backend");
}
