/** `npm run bench [-- --rounds N --only NAME --json FILE]`: a table on stdout, progress on stderr. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { type RunningService, serviceFor } from "../test/support/services.ts";
import { compareEngine } from "./compare.ts";
import { benchControls, controlsTable } from "./controls.ts";
import type { EngineName } from "./engines.ts";
import { benchGlobalQps } from "./global-qps.ts";
import { benchMemory } from "./memory.ts";
import { benchQps } from "./qps.ts";
import { type Row, table } from "./report.ts";
import { benchRpc } from "./rpc.ts";
import { benchSqlite } from "./sqlite.ts";

const subjects = [
  "qps",
  "bullmq",
  "bee-queue",
  "agenda",
  "temporal",
  "memory",
  "sqlite",
  "rpc",
  "controls",
  "global-qps",
] as const;
type Subject = (typeof subjects)[number];
const compared: readonly Subject[] = ["bullmq", "bee-queue", "agenda", "temporal"];
type ServerName = "redis" | "postgres" | "temporal";

const help = `npm run bench -- [options]
  --rounds N    rounds of each comparison, from 1; the default is 15
  --only NAME   one of ${subjects.join(", ")}; may be repeated
  --comparison LABEL  of ${compared.join(", ")}, named by --only: that comparison alone, such as "activities"; may be repeated
  --json FILE   also writes the rows there

Servers: REDIS_URL (bullmq, bee-queue, rpc, controls, global-qps), POSTGRES_URL (agenda), TEMPORAL_ADDRESS (temporal); else what "npm run services -- up" runs.`;

const say = (text: string) => void process.stderr.write(`${text}\n`);

function readOptions() {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "15" },
      only: { type: "string", multiple: true, default: [] },
      comparison: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
      help: { type: "boolean" },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds must be a whole number from 1, got "${values.rounds}".\n${help}`);
  const unknown = values.only.find((name) => !(subjects as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`--only knows ${subjects.join(", ")}, got "${unknown}".\n${help}`);
  const chosen = values.only.length === 0 ? subjects : (values.only as Subject[]);
  const engine = chosen.length === 1 && compared.find((name) => name === chosen[0]);
  if (values.comparison.length > 0 && !engine)
    throw new Error(`--comparison needs one --only of ${compared.join(", ")}.\n${help}`);
  return { rounds, chosen, labels: values.comparison, json: values.json, help: values.help === true };
}

/** Servers are asked for when the first subject needs them, and kept to the end. */
function findServers() {
  const found = new Map<ServerName, RunningService>();
  return {
    async address(name: ServerName, variable: string): Promise<string | undefined> {
      const service = found.get(name) ?? (await serviceFor(name, { direct: true }));
      found.set(name, service);
      return service.settings?.[variable];
    },
    why: (name: ServerName) => found.get(name)?.unavailable,
    stop: () => Promise.all([...found.values()].map((each) => each.stop())),
  };
}

async function measure({ chosen, rounds, labels }: ReturnType<typeof readOptions>): Promise<Row[]> {
  const servers = findServers();
  const engine = (name: EngineName, server: ServerName, variable: string, warmUps: number) => async () => {
    const address = await servers.address(server, variable);
    if (address) return compareEngine(name, address, { rounds, warmUps, say }, labels);
    say(`skipped: ${name}: ${servers.why(server)}. "npm run services -- up ${server}" starts one.`);
    return [];
  };
  const run: Record<Subject, () => Promise<Row[]>> = {
    bullmq: engine("bullmq", "redis", "REDIS_URL", 2),
    "bee-queue": engine("bee-queue", "redis", "REDIS_URL", 2),
    agenda: engine("agenda", "postgres", "POSTGRES_URL", 1),
    temporal: engine("temporal", "temporal", "TEMPORAL_ADDRESS", 1),
    memory: () => benchMemory({ rounds, warmUps: 2, say }),
    sqlite: () => benchSqlite({ rounds, warmUps: 1, say }),
    rpc: async () => benchRpc(await servers.address("redis", "REDIS_URL"), say),
    qps: () => benchQps(say),
    "global-qps": async () => benchGlobalQps(await servers.address("redis", "REDIS_URL"), say),
    controls: async () => benchControls(await servers.address("redis", "REDIS_URL"), { rounds, warmUps: 2, say }),
  };
  try {
    const rows: Row[] = [];
    for (const subject of subjects) if (chosen.includes(subject)) rows.push(...(await run[subject]()));
    return rows;
  } finally {
    await servers.stop();
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help) return void console.log(help);
  const rows = await measure(options);
  const [cpu] = cpus();
  console.log(
    `Node ${process.version}, ${cpus().length} x ${cpu?.model.trim()}, ${options.rounds} rounds\n\n${table(rows)}`,
  );
  if (options.chosen.includes("controls"))
    console.log(`\nThe share of the speed without it (docs/speed.md):\n\n${controlsTable(rows)}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
}

main().catch((error: Error) => {
  say(error.stack ?? error.message);
  process.exitCode = 1;
});
