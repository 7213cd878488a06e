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
  /** How exactly the engine keeps times. @default 20 */
  readonly timePrecisionMs?: number;
  /** How long a delivery is its process's own. Short, so that crashes are noticed in seconds. @default 1000 */
  readonly leaseMs?: number;
  /** How long a case waits for what must come. @default 15_000 */
  readonly patienceMs?: number;
  /** Cuts the connections to the engine, as a restart of its server would. The cases that need it are skipped without. */
  readonly disrupt?: () => Promise<void>;
}

export interface Subject {
  readonly name: string;
  readonly create: URL;
  readonly settings: Readonly<Record<string, string>>;
  readonly precisionMs: number;
  readonly leaseMs: number;
  readonly patienceMs: number;
  readonly disrupt: (() => Promise<void>) | undefined;
  make(): Promise<Broker>;
}

export interface CreateModule {
  create(settings: Readonly<Record<string, string>>): Broker | Promise<Broker>;
}

let configuredLeaseMs: number | undefined;

/** The lease is the process's: the first subject sets it. */
export function configureOnce(leaseMs: number): number {
  if (configuredLeaseMs === undefined) configure({ lease: leaseMs, signals: false, log: { level: "silent" } });
  return (configuredLeaseMs ??= leaseMs);
}

export function createSubject(options: SubjectOptions): Subject {
  const { name, create, settings = {}, timePrecisionMs = 20, leaseMs = 1000, patienceMs = 15_000, disrupt } = options;
  return {
    name,
    create,
    settings,
    precisionMs: timePrecisionMs,
    leaseMs: configureOnce(leaseMs),
    patienceMs,
    disrupt,
    make: async () => ((await import(create.href)) as CreateModule).create(settings),
  };
}

/** The built JavaScript of a module: child processes cannot run TypeScript on every Node. Undefined while it is not built. */
export function built(module: URL): URL | undefined {
  const file = fileURLToPath(module);
  if (!file.endsWith(".ts")) return module;
  const root = packageRoot(dirname(file));
  const target = join(root, process.env.FUNBOOST_TEST_DIST ?? "dist", relative(root, file).replaceAll(sep, "/").replace(/\.ts$/, ".js"));
  return existsSync(target) ? pathToFileURL(target) : undefined;
}

function packageRoot(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const above = dirname(folder);
  return above === folder ? folder : packageRoot(above);
}
