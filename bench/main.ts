/** `npm run bench [-- --rounds N --only NAME --json FILE]`: a table on stdout, progress on stderr. */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { redisService } from "../test/support/services.ts";
import { benchBullmq } from "./bullmq.ts";
import { benchMemory } from "./memory.ts";
import { benchQps } from "./qps.ts";
import { type Row, table } from "./report.ts";
import { benchRpc } from "./rpc.ts";
import { benchSqlite } from "./sqlite.ts";

const subjects = ["qps", "bullmq", "memory", "sqlite", "rpc"] as const;
type Subject = (typeof subjects)[number];

const help = `npm run bench -- [options]
  --rounds N    rounds of each comparison, from 1; the default is 15
  --only NAME   one of ${subjects.join(", ")}; may be repeated
  --json FILE   also writes the rows there`;

const say = (text: string) => void process.stderr.write(`${text}\n`);

function readOptions() {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "15" },
      only: { type: "string", multiple: true, default: [] },
      json: { type: "string" },
      help: { type: "boolean" },
    },
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds must be a whole number from 1, got "${values.rounds}".\n${help}`);
  const unknown = values.only.find((name) => !(subjects as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`--only knows ${subjects.join(", ")}, got "${unknown}".\n${help}`);
  const chosen = values.only.length === 0 ? subjects : (values.only as Subject[]);
  return { rounds, chosen, json: values.json, help: values.help === true };
}

async function measure(chosen: readonly Subject[], rounds: number): Promise<Row[]> {
  const redis = chosen.includes("bullmq") || chosen.includes("rpc") ? await redisService() : undefined;
  const url = redis?.settings?.REDIS_URL;
  if (redis?.unavailable) say(`skipped on BullMQ: ${redis.unavailable}`);
  const run: Record<Subject, () => Promise<Row[]>> = {
    bullmq: async () => (url ? benchBullmq(url, { rounds, warmUps: 2, say }) : []),
    memory: () => benchMemory({ rounds, warmUps: 2, say }),
    sqlite: () => benchSqlite({ rounds, warmUps: 1, say }),
    rpc: () => benchRpc(url, say),
    qps: () => benchQps(say),
  };
  try {
    const rows: Row[] = [];
    for (const subject of subjects) if (chosen.includes(subject)) rows.push(...(await run[subject]()));
    return rows;
  } finally {
    await redis?.stop();
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help) return void console.log(help);
  const rows = await measure(options.chosen, options.rounds);
  const [cpu] = cpus();
  console.log(`Node ${process.version}, ${cpus().length} x ${cpu?.model.trim()}, ${options.rounds} rounds\n\n${table(rows)}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 2)}\n`);
}

main().catch((error: Error) => {
  say(error.stack ?? error.message);
  process.exitCode = 1;
});
