/** Every engine, made from the settings of its server or file: for tests that start servers of their own, and the processes that they start. */
import { agenda } from "../../adapters/agenda/broker.ts";
import { beeQueue } from "../../adapters/bee-queue/broker.ts";
import { bullmq } from "../../adapters/bullmq/broker.ts";
import { memory } from "../../adapters/memory/broker.ts";
import { redisStore } from "../../adapters/redis/store.ts";
import { sqlite } from "../../adapters/sqlite/broker.ts";
import { sqliteStore } from "../../adapters/sqlite/store.ts";
import { temporal } from "../../adapters/temporal/broker.ts";
import type { Broker } from "../../src/contract/index.ts";
import { bareBroker } from "./bare-broker.ts";
import type { ServerName } from "./services/server.ts";
import { withStore } from "./with-store.ts";

export interface Engine {
  readonly server: ServerName;
  /** The variable that holds its address. */
  readonly variable: string;
  make(url: string): Broker;
  /** Its server keeps no shared state of ours: users set a store. */
  readonly storeless?: true;
  /** Of the messages of large cases. */
  readonly scale?: number;
  readonly lateMs?: number;
}

const redis = { server: "redis", variable: "REDIS_URL" } as const;

export const engines = {
  bullmq: { ...redis, make: (url) => bullmq({ url }) },
  "bee-queue": { ...redis, make: (url) => beeQueue({ url }) },
  "agenda-redis": { ...redis, make: (url) => agenda({ url }) },
  "agenda-postgres": { server: "postgres", variable: "POSTGRES_URL", make: (url) => agenda({ url }), storeless: true },
  "agenda-mongo": {
    server: "mongodb",
    variable: "MONGODB_URL",
    make: (url) => agenda({ url }),
    storeless: true,
    scale: 0.3,
  },
  temporal: {
    server: "temporal",
    variable: "TEMPORAL_ADDRESS",
    make: (address) => temporal({ address }),
    scale: 0.2,
    lateMs: 1_100,
  },
} satisfies Readonly<Record<string, Engine>>;

export type EngineName = keyof typeof engines;

const engineList = Object.entries(engines) as [EngineName, Engine][];

/** Those with a server that FUNBOOST_TEST_ENGINES names, such as "bullmq,temporal"; all without it. */
export function chosenEngines(): [EngineName, Engine][] {
  const unknown = chosenNames()?.find((name) => !Object.hasOwn(engines, name) && !Object.hasOwn(local, name));
  const allowed = [...Object.keys(local), ...Object.keys(engines)].join(", ");
  if (unknown !== undefined) throw new Error(`FUNBOOST_TEST_ENGINES names "${unknown}". Allowed: ${allowed}.`);
  return engineList.filter(([name]) => isChosen(name));
}

const chosenNames = () => process.env.FUNBOOST_TEST_ENGINES?.split(",");

export function isChosen(name: string): boolean {
  return chosenNames()?.includes(name) ?? true;
}

/** Engines without a server. */
const local: Readonly<Record<string, (file: string) => Broker>> = {
  memory: () => memory(),
  sqlite: (file) => sqlite({ file }),
  "bare on sqlite": (file) => bareBroker(sqlite({ file })),
};

/** `engine` chooses; its address is in the variable of its server, or it works in `file`; `storeFile`: the store of those that have none; `storeUrl`: a Redis beside any. */
export function create(settings: Readonly<Record<string, string>>): Broker {
  const broker = local[settings.engine ?? ""]?.(settings.file ?? "") ?? onServer(settings);
  return settings.storeUrl ? withStore(broker, redisStore({ url: settings.storeUrl })) : broker;
}

function onServer(settings: Readonly<Record<string, string>>): Broker {
  const engine: Engine | undefined = engines[settings.engine as EngineName];
  const url = settings[engine?.variable ?? ""];
  if (!engine || !url)
    throw new Error(`"engine" is ${settings.engine}, its address ${url}. Known: ${Object.keys(engines).join(", ")}.`);
  const broker = engine.make(url);
  return engine.storeless && settings.storeFile ? withStore(broker, sqliteStore({ file: settings.storeFile })) : broker;
}
