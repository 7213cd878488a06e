/** How servers are had: Debian's packages, Maven Central, and builds, kept in a cache outside the checkout. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ask, launch, tail, which } from "./process.ts";
import type { Command } from "./server.ts";

/** Runs a program to its end; rejects with the last lines that it wrote. A package manager must not be cut off: it ends by itself. */
export async function run(command: Command, { bound = true } = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "funboost-run-"));
  const log = join(folder, "log");
  try {
    const child = launch(command, { pidFile: join(folder, "pid"), log, bound });
    child.ref();
    const code = await new Promise((resolve) => child.once("close", resolve));
    if (code !== 0)
      throw new Error(`${basename(command.file)} ${command.args.join(" ")} ended with ${code}:\n${tail(log, 15)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const isRoot = () => process.getuid?.() === 0;

/** Why Debian's packages cannot be installed here. */
export function aptObstacle(): string | undefined {
  if (!existsSync("/etc/debian_version") || !which("apt-get")) return "no Debian, whose packages could be installed";
  if (isRoot()) return undefined;
  return which("sudo") && ask("sudo", "-n", "id", "-u").trim() === "0"
    ? undefined
    : "not root, and sudo asks for a password";
}

let updated: Promise<void> | undefined;

/** Debian's packages, without the servers that they would start by themselves. */
export async function apt(...packages: string[]): Promise<void> {
  const get = (...args: string[]) => {
    const words = [
      "env",
      "DEBIAN_FRONTEND=noninteractive",
      "RUNLEVEL=1",
      "apt-get",
      "-qq",
      "-o",
      "Acquire::Retries=3",
      "-o",
      "DPkg::Lock::Timeout=300",
      ...args,
    ];
    const [file = "", ...rest] = isRoot() ? words : ["sudo", "-n", ...words];
    return run({ file, args: rest }, { bound: false });
  };
  await (updated ??= get("update"));
  await get("install", "-y", "--no-install-recommends", ...packages);
}

const cacheRoot = () => join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "funboost-services");
export const cached = (name: string) => join(cacheRoot(), name);

/** Fills a folder of the cache as a whole or not at all. `build` gets two folders on the same disk: what to keep, and what to drop. */
export async function fillCache(name: string, build: (keep: string, drop: string) => Promise<void>): Promise<void> {
  if (existsSync(cached(name))) return;
  mkdirSync(cacheRoot(), { recursive: true });
  for (const left of readdirSync(cacheRoot())) if (isLeftOver(left)) await dropFolder(cached(left));
  const temporary = cached(`${name}.tmp-${process.pid}`);
  const [keep, drop] = [join(temporary, "keep"), join(temporary, "drop")];
  for (const folder of [keep, drop]) mkdirSync(folder, { recursive: true });
  try {
    await build(keep, drop);
    if (!existsSync(cached(name))) renameSync(keep, cached(name)); // else somebody was faster
  } finally {
    await dropFolder(temporary);
  }
}

function isLeftOver(name: string): boolean {
  const [, pid] = /\.tmp-(\d+)$/.exec(name) ?? [];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** Go's module cache is read-only. */
async function dropFolder(folder: string): Promise<void> {
  await run({ file: "chmod", args: ["-R", "u+w", folder] }).catch(() => {});
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

const lacking = () => [
  ...(which("java") && which("javac") ? [] : ["default-jdk-headless"]),
  ...(which("mvn") ? [] : ["maven"]),
];

export function javaObstacle(): string | undefined {
  const obstacle = lacking().length > 0 ? aptObstacle() : undefined;
  return obstacle && `needs java, javac and mvn; ${obstacle}`;
}

/** Installs Java and Maven where they lack, and fills a folder of the cache. */
export async function buildWithJava(name: string, build: (keep: string) => Promise<void>): Promise<void> {
  const packages = lacking();
  if (packages.length > 0) await apt(...packages);
  await fillCache(name, build);
}

/** Jars of Maven Central and all that they need, into `libs`. Artifacts as "group:name:version". */
export async function mavenJars(folder: string, artifacts: readonly string[]): Promise<void> {
  const dependency = (artifact: string) => {
    const [group, name, version] = artifact.split(":");
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;
  };
  const project =
    "<modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>libs</artifactId><version>1</version>";
  writeFileSync(
    join(folder, "pom.xml"),
    `<project>${project}<dependencies>${artifacts.map(dependency).join("")}</dependencies></project>\n`,
  );
  const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";
  await run({ file: "mvn", args: ["-q", "-B", goal, "-DincludeScope=runtime", "-DoutputDirectory=libs"], cwd: folder });
}
