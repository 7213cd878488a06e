/** Builds the package once before the tests: child processes and packages run from dist. FUNBOOST_SKIP_BUILD=1 takes it as it is. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
let building: Promise<void> | undefined;

export default function setup(): Promise<void> {
  return (building ??= build());
}

async function build(): Promise<void> {
  process.env.FUNBOOST_TEST_BUILT = "1";
  if (process.env.FUNBOOST_SKIP_BUILD === "1" && existsSync(`${root}dist`)) return;
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  await promisify(execFile)(npm, ["run", "build"], {
    cwd: root,
    maxBuffer: 1e8,
    shell: process.platform === "win32",
  }).catch((error: Error & { stdout?: string }) => {
    throw new Error(`npm run build failed:\n${error.stdout ?? error.message}`);
  });
}
