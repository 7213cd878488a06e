/**
 * The workflow's bundle for Temporal's sandbox: built once for each version of its parts, kept in the user's cache
 * folder.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BundleOptions, WorkflowBundle } from "@temporalio/worker";
import { FunboostError } from "../../../src/base/errors.ts";
import { installedVersion } from "../../shared/peer.ts";
import type { BundleOption } from "./bundle-option.ts";

export interface Bundler {
  bundleWorkflowCode(options: BundleOptions): Promise<{ readonly code: string }>;
}

/** Beside this file, as source or built; in a bundle it is not there. */
const workflowFile = () =>
  fileURLToPath(new URL(`./workflow${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url));
const silent = { log() {}, trace() {}, debug() {}, info() {}, warn() {}, error() {} };
let building: Promise<WorkflowBundle> | undefined;

/** Built, or read: webpack takes a second. */
export function workflowBundle(peer: Bundler, given: BundleOption | undefined): Promise<WorkflowBundle> {
  if (given) return readGiven(given);
  building ??= findOrBuild(peer).catch((error: unknown) => {
    building = undefined;
    throw error;
  });
  return building;
}

async function readGiven({ codePath }: BundleOption): Promise<WorkflowBundle> {
  const code = await readFile(codePath, "utf8").catch((cause: unknown) => {
    throw new FunboostError(
      "BAD_OPTION",
      `bundle.codePath ${JSON.stringify(codePath)} cannot be read. Copy the file from a machine where it was built.`,
      {
        where: "temporal",
        cause,
      },
    );
  });
  return { code };
}

async function findOrBuild(peer: Bundler): Promise<WorkflowBundle> {
  const file = await cacheFile();
  const cached = file && (await readFile(file, "utf8").catch(() => undefined));
  if (cached) return { code: cached };
  const code = await build(peer);
  if (file) await keep(file, code).catch(() => {}); // a read-only system builds at each start
  return { code };
}

/** The same versions and the same source make the same bundle. Undefined: nothing says which version this is. */
async function cacheFile(): Promise<string | undefined> {
  try {
    const version = installedVersion("@temporalio/worker");
    if (version === undefined) return undefined;
    const source = await readFile(workflowFile(), "utf8");
    const hash = createHash("sha256").update(version).update("\0").update(source).digest("hex").slice(0, 32);
    return join(cacheFolder(), `temporal-workflow-${hash}.js`);
  } catch {
    return undefined;
  }
}

/** The user's own: what lies there runs as this user. */
export function cacheFolder(platform = process.platform, env = process.env): string {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "funboost");
  if (platform === "win32" && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, "funboost", "cache");
  return platform === "darwin"
    ? join(homedir(), "Library", "Caches", "funboost")
    : join(homedir(), ".cache", "funboost");
}

async function build(peer: Bundler): Promise<string> {
  try {
    return (await peer.bundleWorkflowCode({ workflowsPath: workflowFile(), logger: silent })).code;
  } catch (cause) {
    const question = 'Are "@temporalio/worker" and "@temporalio/workflow" installed in the same version?';
    const advice = 'In a bundled app set "bundle: { codePath }".';
    throw new FunboostError("BROKER_REFUSED", `the workflow could not be bundled. ${question} ${advice}`, {
      where: "temporal",
      cause,
    });
  }
}

/** In one step, so that no other process reads half of it. */
async function keep(file: string, code: string): Promise<void> {
  await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
  const unfinished = `${file}.${randomUUID()}`;
  try {
    await writeFile(unfinished, code, { mode: 0o600 });
    await rename(unfinished, file);
  } finally {
    await rm(unfinished, { force: true });
  }
}
