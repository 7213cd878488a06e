/** The broker under test, as its test file describes it. */
import { existsSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Broker } from "../../src/contract/index.ts";
import { configure } from "../../src/index.ts";

/** Settings of `describeBroker`, without the test runner. */
export interface SubjectOptions {
  readonly name: string;
  /** A module that exports `create(settings)`: a closure cannot reach the processes that some cases start. */
  readonly create: URL;
  /** Handed to `create`, here and in child processes. */
  readonly settings?: Readonly<Record<string, string>>;
  /** How late the engine may deliver what is delayed, on an idle machine. Never early: all but the grain of a clock. @default 100 */
  readonly lateMs?: number;
  /** Of the messages of the large cases: less for engines that take some hundred a second. @default 1 */
  readonly scale?: number;
  /** How long a delivery is its process's own. Short, so that crashes are noticed in seconds. @default 1000; with `slow` the library's */
  readonly leaseMs?: number;
  /** How long a case waits for what must come. @default 15_000 */
  readonly patienceMs?: number;
  /** Cuts the connections to the engine, as a restart of its server would. The cases that need it are skipped without. */
  readonly disrupt?: () => Promise<void>;
  /** A module that exports `publishForeign(settings, queue, data)`: a message as the engine's own client publishes it. Without, its cases are skipped. */
  readonly foreign?: URL;
  /** A server of this broker's own that keeps its data. With it the restart cases run instead of the others. */
  readonly server?: KillableServer;
  /** The same for the server of its store alone: the cases of a store's restart. */
  readonly storeServer?: KillableServer;
  /** The slow cases instead of the others: at the library's own lease, a minute or more each. In a file of their own, because the lease is the process's. @default false */
  readonly slow?: boolean;
}

export interface Subject {
  readonly name: string;
  readonly create: URL;
  readonly settings: Readonly<Record<string, string>>;
  readonly lateMs: number;
  readonly scale: number;
  readonly leaseMs: number;
  readonly patienceMs: number;
  readonly disrupt: (() => Promise<void>) | undefined;
  readonly foreign: URL | undefined;
  readonly server: KillableServer | undefined;
  make(): Promise<Broker>;
}

export interface CreateModule {
  create(settings: Readonly<Record<string, string>>): Broker | Promise<Broker>;
  /** Loads the engine's client, in a child process that waits for its job. */
  warm?(): Promise<unknown>;
}

/** A server that the restart cases kill. */
export interface KillableServer {
  /** At once, as `kill -9` would. */
  kill(): Promise<void>;
  /** Kills it if it runs, and starts it again over the same data, at the same address. Resolves when it serves. */
  restart(): Promise<void>;
}

/** Publishes data as the engine's own client does, without the library. */
export interface ForeignModule {
  publishForeign(settings: Readonly<Record<string, string>>, queue: string, data: unknown): Promise<void>;
}

export const defaultPatienceMs = 15_000;
const shortLeaseMs = 1_000;
/** What users have who configure none. */
const defaultLeaseMs = 15_000;
let configuredLeaseMs: number | undefined;

/** The lease is the process's: the first subject sets it. Undefined: the library's own default. */
export function configureOnce(leaseMs: number | undefined): number {
  if (configuredLeaseMs === undefined)
    configure({ ...(leaseMs === undefined ? {} : { lease: leaseMs }), signals: false, log: { level: "silent" } });
  return (configuredLeaseMs ??= leaseMs ?? defaultLeaseMs);
}

export function createSubject(options: SubjectOptions): Subject {
  const {
    name,
    create,
    settings = {},
    lateMs = 100,
    scale = 1,
    patienceMs = defaultPatienceMs,
    disrupt,
    foreign,
    server,
    storeServer,
    slow = false,
  } = options;
  const leaseMs = configureOnce(options.leaseMs ?? (slow ? undefined : shortLeaseMs));
  return {
    name,
    create,
    settings,
    lateMs,
    scale,
    leaseMs,
    patienceMs,
    disrupt,
    foreign,
    server: server ?? storeServer,
    make: async () => ((await import(create.href)) as CreateModule).create(settings),
  };
}

/** The built JavaScript of a module: child processes cannot run TypeScript on every Node. Undefined while it is not built. */
export function built(module: URL): URL | undefined {
  const file = fileURLToPath(module);
  if (!file.endsWith(".ts")) return module;
  const root = packageRoot(dirname(file));
  const target = join(
    root,
    process.env.FUNBOOST_TEST_DIST ?? "dist",
    relative(root, file).replaceAll(sep, "/").replace(/\.ts$/, ".js"),
  );
  return existsSync(target) ? pathToFileURL(target) : undefined;
}

function packageRoot(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const above = dirname(folder);
  return above === folder ? folder : packageRoot(above);
}
