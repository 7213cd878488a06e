/** What a global qps costs: four processes take 5,000 starts a second from one store, against the same work without a limit. The processes run this file too. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { boost, shutdown } from "funboost";
import { bullmq } from "funboost/adapters/bullmq";
import { sqlite } from "funboost/adapters/sqlite";
import type { Broker, Store } from "funboost/contract";
import { Redis } from "ioredis";
import { mustBe } from "./measure.ts";
import { figureRow, type Row } from "./report.ts";

const qps = 5_000;
const seconds = 6;
const jobs = qps * seconds;
const processes = 4;
const chunk = 1_000;

type Where = { readonly broker: "sqlite"; readonly file: string } | { readonly broker: "bullmq"; readonly url: string };

interface Side {
  readonly where: Where;
  readonly queue: string;
  readonly limited: boolean;
}

/** Of one process, since it began. */
interface Told {
  readonly runs: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly storeCalls: number;
  readonly cpuUs: number;
}

const machineMs = () => Number(process.hrtime.bigint()) / 1e6;

function brokerAt(where: Where): Broker {
  return where.broker === "sqlite" ? sqlite({ file: where.file }) : bullmq({ url: where.url });
}

/** Counts what a limit asks of the store. */
function counted(store: Store, count: () => void): Store {
  return {
    ...store,
    reserve(...args) {
      count();
      return store.reserve(...args);
    },
  };
}

async function serve({ where, queue, limited }: Side): Promise<void> {
  const bare = brokerAt(where);
  let [runs, firstMs, lastMs, storeCalls] = [0, 0, 0, 0];
  const store = async () => counted((await bare.store?.()) as Store, () => storeCalls++);
  const task = boost(
    {
      queue,
      broker: { ...bare, store },
      params: ["n"],
      concurrency: 500,
      ...(limited ? { qps, qpsScope: "global" } : {}),
    },
    async (_: number) => {
      lastMs = machineMs();
      if (runs++ === 0) firstMs = lastMs;
    },
  );
  await task.count();
  const before = process.cpuUsage();
  const tell = () => {
    const { user, system } = process.cpuUsage(before);
    process.send?.({ runs, firstMs, lastMs, storeCalls, cpuUs: user + system } satisfies Told);
  };
  process.once("message", () => void task.consume().then(() => setInterval(tell, 100)));
  process.send?.("ready");
}

async function fill({ where, queue }: Side) {
  const task = boost({ queue, broker: brokerAt(where), params: ["n"] }, async (_: number) => {});
  for (let n = 0; n < jobs; n += chunk) await task.pushMany(Array.from({ length: chunk }, (_, i): [number] => [n + i]));
  return task;
}

async function start(side: Side): Promise<ChildProcess> {
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(side)]);
  await once(child, "message");
  return child;
}

/** Resolves with the last that each told, when all jobs have run. */
function runAll(children: readonly ChildProcess[]): Promise<readonly Told[]> {
  const told = new Map<ChildProcess, Told>();
  return new Promise((resolve, reject) => {
    for (const child of children) {
      child.once("exit", (code) => reject(new Error(`a process ended with ${code}`)));
      child.on("message", (message) => {
        told.set(child, message as Told);
        if ([...told.values()].reduce((all, { runs }) => all + runs, 0) >= jobs) resolve([...told.values()]);
      });
      child.send("go");
    }
  });
}

/** Microseconds of a processor that the server has used. */
async function serverCpuUs(client: Redis | undefined): Promise<number> {
  const text = (await client?.info("cpu")) ?? "";
  return ["used_cpu_sys", "used_cpu_user"].reduce(
    (all, name) => all + 1e6 * Number(new RegExp(`^${name}:(.*)$`, "m").exec(text)?.[1] ?? 0),
    0,
  );
}

interface Cost {
  readonly perSecond: number;
  readonly callsPerStart: number;
  readonly cpuUs: number;
  readonly serverUs: number;
}

async function measure(where: Where, limited: boolean, client: Redis | undefined): Promise<Cost> {
  const side: Side = { where, queue: `bench-global-qps-${process.pid}-${limited}`, limited };
  const task = await fill(side);
  const children = await Promise.all(Array.from({ length: processes }, () => start(side)));
  const serverBefore = await serverCpuUs(client);
  const told = await runAll(children);
  const serverUs = (await serverCpuUs(client)) - serverBefore;
  const sum = (of: (each: Told) => number) => told.reduce((all, each) => all + of(each), 0);
  for (const child of children) {
    child.removeAllListeners("exit");
    child.kill("SIGKILL");
  }
  await task.clear();
  mustBe(
    "runs",
    sum(({ runs }) => runs),
    jobs,
  );
  const ms =
    Math.max(...told.map(({ lastMs }) => lastMs)) -
    Math.min(...told.filter(({ runs }) => runs > 0).map(({ firstMs }) => firstMs));
  return {
    perSecond: (jobs * 1_000) / ms,
    callsPerStart: sum(({ storeCalls }) => storeCalls) / jobs,
    cpuUs: sum(({ cpuUs }) => cpuUs) / jobs,
    serverUs: serverUs / jobs,
  };
}

function rowsOf(broker: string, limited: Cost, free: Cost): Row[] {
  const row = (operation: string, unit: string, value: number) =>
    figureRow({ broker, operation: `qps ${qps} over ${processes} processes, ${operation}`, unit }, value);
  const rows = [
    row("started per second", "runs/s", limited.perSecond),
    row("started per second without a limit", "runs/s", free.perSecond),
    row("calls of the store per start", "calls", limited.callsPerStart),
    row("processor time of the processes", "µs/run", limited.cpuUs),
    row("processor time of the processes without a limit", "µs/run", free.cpuUs),
  ];
  if (broker === "sqlite") return rows;
  return [
    ...rows,
    row("processor time of the server", "µs/run", limited.serverUs),
    row("processor time of the server without a limit", "µs/run", free.serverUs),
  ];
}

export async function benchGlobalQps(redisUrl: string | undefined, say: (text: string) => void): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "funboost-bench-"));
  const places: Where[] = [{ broker: "sqlite", file: join(folder, "qps.db") }];
  if (redisUrl) places.push({ broker: "bullmq", url: redisUrl });
  const client = redisUrl ? new Redis(redisUrl) : undefined;
  const rows: Row[] = [];
  try {
    for (const where of places) {
      say(`a global qps of ${qps} on ${where.broker}`);
      const free = await measure(where, false, client);
      rows.push(...rowsOf(where.broker, await measure(where, true, client), free));
    }
  } finally {
    client?.disconnect();
    await shutdown();
    rmSync(folder, { recursive: true, force: true });
  }
  return rows;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(JSON.parse(process.argv[2] as string) as Side);
