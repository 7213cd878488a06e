// BullMQ's tests with other versions of its client: node scripts/on-clients.mjs bullmq@5.81.5 ioredis@5.11.1 [--all] [--json FILE].
// In a folder of its own, a copy of the sources and of what is built: aliases do not reach what child processes import.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const sources = ["src", "adapters", "test", "dist", "docs", "package.json", "tsconfig.json", "vitest.config.ts"];

const { values, positionals } = parseArgs({
  options: { json: { type: "string" }, all: { type: "boolean", default: false } },
  allowPositionals: true,
});

function run(command, args, folder, env = {}) {
  const { status } = spawnSync(command, args, { cwd: folder, stdio: "inherit", env: { ...process.env, ...env } });
  return status ?? 1;
}

/** The clients as asked for, and all else as it is installed here. */
function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), "funboost-clients-"));
  writeFileSync(join(folder, "package.json"), '{ "private": true }');
  const install = ["install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", ...positionals];
  if (run("npm", install, folder) !== 0) throw new Error(`npm ${install.join(" ")} failed`);
  for (const name of readdirSync(join(root, "node_modules"))) {
    const to = join(folder, "node_modules", name);
    if (!existsSync(to)) symlinkSync(join(root, "node_modules", name), to, "junction");
  }
  for (const name of sources) cpSync(join(root, name), join(folder, name), { recursive: true });
  return folder;
}

if (positionals.length === 0)
  throw new Error("which clients? node scripts/on-clients.mjs bullmq@5.81.5 ioredis@5.11.1");
const folder = makeFolder();
try {
  const projects = ["kits", "adapters", ...(values.all ? ["timing", "waiting"] : [])];
  const args = ["node_modules/vitest/vitest.mjs", "run", ...projects.flatMap((name) => ["--project", name])];
  const env = { FUNBOOST_SKIP_BUILD: "1", FUNBOOST_BULLMQ_6: join(root, "node_modules/bullmq/dist/cjs/index.js") };
  if (values.json) env.FUNBOOST_TEST_REPORT = resolve(values.json);
  process.exitCode = run(process.execPath, [...args, "test/adapters/bullmq"], folder, env);
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
