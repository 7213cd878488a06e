// `npm run examples [-- --json FILE]`: runs every example of examples/README.md from dist, each in a folder of its own, and shows what each prints.
// An example has at most 40 lines. Those that name servers in the table's last column only where these are given by the environment or up (`npm run services -- up`).
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const limitMs = 60_000;
const mostLines = 40;
const mostColumns = 120; // of a table
const root = fileURLToPath(new URL("..", import.meta.url));
const { servers, settingsOfUp } = await import(new URL("../dist/test/support/services/all.js", import.meta.url)); // a name that exists only after the build
const env = { ...process.env, ...settingsOfUp() };
const { values } = parseArgs({ options: { json: { type: "string" } } });

/** The table's rows: a link to a file beside it in the first column, what it needs in the last. The demo has its own script. */
function listed() {
  const table = readFileSync(join(root, "examples/README.md"), "utf8");
  return [...table.matchAll(/^\| \[([\w-]+)\.ts\][^|]*\|.*\|([^|]*)\|\s*$/gm)].map(([, name, needs]) => ({
    name,
    needs: needs.trim(),
  }));
}

function runExample(name) {
  const folder = mkdtempSync(join(tmpdir(), "funboost-example-"));
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(root, "dist/examples", `${name}.js`)], {
      cwd: folder,
      env: { ...env, FUNBOOST_SQLITE_FILE: join(folder, "queue.db") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    const timer = setTimeout(() => {
      output += `\nstill running after ${limitMs / 1000} s`;
      child.kill("SIGKILL");
    }, limitMs);
    child.on("close", (code) => {
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
      resolve({ code, output: output.trim() });
    });
  });
}

async function resultOf({ name, needs }) {
  const lacking = Object.values(servers).filter(({ variable }) => needs.includes(variable) && !env[variable]);
  if (lacking.length > 0)
    return {
      example: name,
      result: "skipped",
      reason: `not there: ${lacking.map(({ variable }) => variable).join(", ")}`,
    };
  const started = performance.now();
  const { code, output } = await runExample(name);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (code !== 0) return { example: name, result: "failed", seconds, reason: `exit code ${code}:\n${output}` };
  const wide = output.split("\n").find((line) => /^[│┌|]/.test(line) && line.length > mostColumns);
  if (wide) return { example: name, result: "failed", seconds, reason: `a table of ${wide.length} columns`, output };
  const shapeless = output.match(/^.*(?:\bundefined\b|\[object \w+\]).*$/m);
  if (shapeless) return { example: name, result: "failed", seconds, reason: `says nothing: ${shapeless[0]}`, output };
  const lacks = [
    ...new Set([...output.matchAll(/skipped: set ([A-Z_]+(?: and [A-Z_]+)*)/g)].map(([, names]) => names)),
  ];
  const reason =
    output === "" ? "printed nothing" : lacks.length > 0 ? `a part was skipped: ${lacks.join(", ")} not set` : "";
  return { example: name, result: output === "" ? "failed" : "passed", seconds, reason, output };
}

const indented = (text) => text.replace(/^(?=.)/gm, "  ");

const rows = [];
for (const example of listed()) {
  const row = await resultOf(example);
  rows.push(row);
  console.log(
    `${row.result.padEnd(8)} ${row.example.padEnd(28)} ${row.seconds ? `${row.seconds} s` : ""}${row.reason ? `  ${row.reason}` : ""}`,
  );
  if (row.output) console.log(`${indented(row.output)}\n`);
}
const files = readdirSync(join(root, "examples")).filter((file) => file.endsWith(".ts"));
/** More than one thing at once, with several servers. */
const longer = ["dashboards.ts", "swap-engines.ts"];
for (const file of files.filter((each) => !longer.includes(each))) {
  const lines = readFileSync(join(root, "examples", file), "utf8")
    .trimEnd()
    .split("\n").length;
  if (lines <= mostLines) continue;
  rows.push({ example: file, result: "failed", reason: `${lines} lines` });
  console.log(`failed   ${file}: ${lines} lines, an example has at most ${mostLines}`);
}
for (const file of files.filter((each) => !rows.some(({ example }) => `${example}.ts` === each))) {
  rows.push({ example: file, result: "failed", reason: "not in the table" });
  console.log(`failed   ${file}: not in the table of examples/README.md`);
}
if (values.json) writeFileSync(values.json, JSON.stringify(rows, undefined, 2));
process.exitCode = rows.some(({ result }) => result === "failed") || rows.length === 0 ? 1 : 0;
