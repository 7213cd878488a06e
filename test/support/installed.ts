/** The package as users get it: packed, and installed into an empty folder without any optional peer. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export interface Finished {
  readonly code: number;
  readonly output: string;
}

export interface Installed {
  readonly folder: string;
  readonly tarball: string;
  remove(): void;
}

/** What `npm test` set for its own scripts must not reach the programs that stand for a user's. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(package|lifecycle|config_local_prefix|command)|VITEST|NODE_ENV$|NODE_OPTIONS$|FUNBOOST_)/.test(name),
  );
  return Object.fromEntries(inherited);
}

/** Runs a program to its end; one that has not ended after `timeoutMs` is killed and answers code -1. */
export function run(
  file: string,
  args: readonly string[],
  options: { cwd: string; timeoutMs?: number; env?: Record<string, string> },
): Promise<Finished> {
  const { cwd, timeoutMs = 20_000, env } = options;
  const path = `${dirname(file)}${delimiter}${process.env.PATH ?? ""}`;
  return new Promise((resolve) => {
    const done = (error: Error | null, stdout: string, stderr: string) => {
      const code = error ? ((error as { code?: unknown }).code ?? -1) : 0;
      resolve({ code: typeof code === "number" ? code : -1, output: `${stdout}${stderr}` });
    };
    const child = execFile(
      file,
      args,
      { cwd, timeout: timeoutMs, killSignal: "SIGKILL", env: { ...cleanEnvironment(), PATH: path, ...env } },
      done,
    );
    child.stdin?.end();
  });
}

/** npm, by the Node that runs the tests: on Windows it is no program that could be started without a shell. */
export async function npm(args: readonly string[], cwd: string): Promise<string> {
  const beside = join(dirname(process.execPath), "node_modules/npm/bin/npm-cli.js");
  const script = process.env.npm_execpath?.endsWith(".js")
    ? process.env.npm_execpath
    : existsSync(beside)
      ? beside
      : undefined;
  const [file, first] = script ? [process.execPath, [script]] : ["npm", []];
  const { code, output } = await run(file, [...first, ...args], {
    cwd,
    timeoutMs: 150_000,
    env: { npm_config_fund: "false", npm_config_audit: "false" },
  });
  if (code !== 0) throw new Error(`npm ${args[0]} ended with ${code}:\n${output}`);
  return output;
}

/** Packs what `dist` holds and installs it, beside what the application has of its own. */
export async function installPacked(dependencies: Readonly<Record<string, string>> = {}): Promise<Installed> {
  const base = mkdtempSync(join(tmpdir(), "funboost-package-"));
  const folder = join(base, "app");
  mkdirSync(folder);
  const manifest = { name: "app", private: true, type: "module", dependencies };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  // No scripts: `prepack` would build again, under the feet of whoever runs from dist.
  const output = await npm(["pack", "--ignore-scripts", "--silent", "--pack-destination", base], root);
  const tarball = join(base, output.match(/^funboost-.*\.tgz$/m)?.[0] ?? "no tarball");
  await npm(["install", "--prefix", folder, "--prefer-offline", tarball], folder);
  return { folder, tarball, remove: () => rmSync(base, { recursive: true, force: true, maxRetries: 5 }) };
}
