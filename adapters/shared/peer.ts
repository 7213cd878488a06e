/** An engine's client as it was loaded: refused where its version is not known here, its exports wherever they lie. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FunboostError } from "../../src/base/errors.ts";

/**
 * Of each major that is tested the oldest version: what comes before it, and other majors, are not known. package.json
 * lets older ones be installed beside, for other code; newer majors it refuses.
 */
export const testedPeers = {
  "@agendajs/mongo-backend": ["4.0.3"],
  "@agendajs/postgres-backend": ["3.0.6"],
  "@agendajs/redis-backend": ["3.0.7"],
  "@temporalio/client": ["1.24.0"],
  "@temporalio/worker": ["1.24.0"],
  agenda: ["6.2.6"], // before it locks are not extended on Redis, and a worker that stops loses its running jobs
  "bee-queue": ["2.0.0"],
  bullmq: ["5.73.5", "6.4.0"],
  ioredis: ["5.3.2", "6.0.0"],
  pg: ["8.23.1"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type Peer = keyof typeof testedPeers;

/**
 * Answers what holds the export `name`: webpack shows of some CommonJS modules `default` alone. The import itself
 * stands in the adapter's file: bundlers see no other form.
 */
export function usePeer<T extends object>(broker: string, peer: Peer, namespace: T, name: keyof T & string): T {
  refuseUnknown(broker, peer, installedVersion(peer));
  return name in namespace ? namespace : (namespace as unknown as { readonly default: T }).default;
}

/** Undefined: nothing tells the version. */
export function refuseUnknown(broker: string, peer: Peer, version: string | undefined): void {
  const tested: readonly string[] = testedPeers[peer];
  if (version === undefined || tested.some((oldest) => fits(version, oldest))) return;
  const ranges = tested.map((oldest) => `^${oldest}`);
  const nearest = ranges.find((range) => range.split(".", 1)[0] === `^${version.split(".", 1)[0]}`) ?? ranges.at(-1);
  const text =
    `found ${peer} ${version}, which this adapter does not know. ` +
    `Tested: ${ranges.join(" and ")}. Run: npm install ${peer}@${nearest}`;
  throw new FunboostError("BROKER_REFUSED", text, { where: broker });
}

/** The same major, and as old or newer. */
function fits(version: string, oldest: string): boolean {
  const [found, least] = [version, oldest].map((each) => each.split(".").map((part) => Number.parseInt(part, 10)));
  const different = least?.findIndex((part, i) => found?.[i] !== part) ?? -1;
  return different < 0 || (different > 0 && (found?.[different] ?? 0) > (least?.[different] ?? 0));
}

const versions = new Map<string, string | undefined>();

/** Undefined in a bundle: the package that lies beside it need not be the one that is in it. */
export function installedVersion(peer: string, from = import.meta.url): string | undefined {
  if (!/\/adapters\/shared\/peer\.[jt]s$/.test(from)) return undefined;
  if (!versions.has(peer)) versions.set(peer, findManifest(peer, from)?.version);
  return versions.get(peer);
}

/**
 * Where an import from this file finds the package, whatever it exports. By hand: webpack takes each `createRequire`
 * for a `require` of its own.
 */
export function findManifest(peer: string, from = import.meta.url): { readonly version?: string } | undefined {
  for (let here = fileURLToPath(from), folder = dirname(here); folder !== here; here = folder, folder = dirname(here)) {
    try {
      return JSON.parse(readFileSync(join(folder, "node_modules", peer, "package.json"), "utf8"));
    } catch {} // not in this one
  }
  return undefined;
}
