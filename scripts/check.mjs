// `npm run check`: types, biome, knip, architecture and the unit tests over memory; says how long each took. All run, then all failures are shown.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (file, ...args) => [
  process.execPath,
  fileURLToPath(new URL(`../node_modules/${file}`, import.meta.url)),
  ...args,
];
// Longest first: two run at a time, as there are two cores.
const steps = [
  { name: "unit", command: bin("vitest/vitest.mjs", "run", "--project", "unit") },
  { name: "types", command: bin("typescript/bin/tsc", "--noEmit", "--pretty", String(process.stdout.isTTY === true)) },
  {
    name: "biome",
    command: bin("@biomejs/biome/bin/biome", "check", "--diagnostic-level=error", "--max-diagnostics=50"),
  },
  { name: "knip", command: bin("knip/bin/knip.js", "--no-progress") },
  { name: "architecture", command: bin("vitest/vitest.mjs", "run", "--project", "architecture") },
];

const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(1)} s`;

function run({ name, command: [program, ...args] }) {
  const started = performance.now();
  return new Promise((resolve) => {
    let output = "";
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : { NO_COLOR: "1" }) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => (output += error.message));
    child.on("close", (code) => {
      console.log(`${code === 0 ? "ok    " : "FAILED"} ${name.padEnd(12)} ${seconds(started).padStart(7)}`);
      resolve({ name, code, output });
    });
  });
}

const started = performance.now();
const waiting = [...steps];
const failed = [];
async function worker() {
  for (let step = waiting.shift(); step; step = waiting.shift()) {
    const done = await run(step);
    if (done.code !== 0) failed.push(done);
  }
}
await Promise.all([worker(), worker()]);
for (const { name, output } of failed) console.log(`\n--- ${name} ---\n${output.trim()}`);
console.log(
  `\n${failed.length === 0 ? "check passed" : `check failed: ${failed.map((each) => each.name).join(", ")}`} in ${seconds(started)}`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
