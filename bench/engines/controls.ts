/** A task without controls against the same with one of them, and with several: what each costs on one broker. */
import { join } from "node:path";
import { concurrencyPool, fct, type Middleware, type TaskParams } from "funboost";
import { bullmq } from "funboost/adapters/bullmq";
import { memory } from "funboost/adapters/memory";
import { sqlite } from "funboost/adapters/sqlite";
import type { Broker } from "funboost/contract";
import { Redis } from "ioredis";
import type { EngineBench, Side } from "../engine.ts";
import { type Goal, goals } from "../report.ts";
import { ourSide } from "./ours.ts";

/** The highest there is: it costs what a rate costs, and holds back only what is faster. */
const qps = 100_000;
const brief = "10s";
const isList = {
  "~standard": {
    version: 1,
    vendor: "bench",
    validate: (value: unknown) => (Array.isArray(value) ? { value } : { issues: [] }),
  },
} as const;
const passOn: Middleware = (_, next) => next();

const four: Partial<TaskParams> = { qps, filter: { ttl: brief }, rpc: { ttl: brief }, record: { ttl: brief } };

/** Values that run out soon: what is kept for long would be the cost of a full store. */
const controls = {
  qps: { qps },
  'qpsScope: "global"': { qps, qpsScope: "global" },
  filter: { filter: { ttl: brief } },
  'filter, when: "published"': { filter: { ttl: brief, when: "published" } },
  rpc: { rpc: { ttl: brief } },
  record: { record: { ttl: brief } },
  onRecord: { onRecord: () => {} },
  timeout: { timeout: "1m" },
  expireAfter: { expireAfter: "1d" },
  use: { use: [passOn] },
  input: { input: isList },
  pool: { pool: concurrencyPool(1_000) },
  "fct.signal": {},
  "qps, filter, rpc, record": four,
  all: {
    ...four,
    onRecord: () => {},
    timeout: "1m",
    expireAfter: "1d",
    use: [passOn],
    input: isList,
    pool: concurrencyPool(1_000),
  },
} satisfies Record<string, Partial<TaskParams>>;

export const plain = "without";
export const controlNames: readonly string[] = Object.keys(controls);
const paramsOf: Readonly<Record<string, Partial<TaskParams>>> = { ...controls, [plain]: {} };

interface Place {
  readonly broker: string;
  readonly jobs: number;
  readonly concurrency: number;
  /** With four controls on. */
  readonly goal?: Goal;
  open(address: string, queue: string): Broker;
  forget?(address: string, queue: string): Promise<void>;
}

function controlsBench({ broker, jobs, concurrency, goal, open, forget }: Place): EngineBench {
  const goalsOf = (side: string) => (goal && paramsOf[side] === four ? { goals: { consume: goal } } : {});
  return {
    broker,
    jobs,
    lanes: 100,
    bulk: 500,
    rounds: [["bulk", "consume"]],
    consumeFrom: "first",
    comparisons: controlNames.map((side) => ({ label: side, side, against: [plain], ...goalsOf(side) })),
    open(side, address, queue) {
      const ours = ourSide(
        queue,
        open(address, queue),
        { concurrency, ...paramsOf[side] },
        side === "fct.signal" ? () => fct.signal : undefined,
      );
      return neverTheSame(ours, async () => forget?.(address, queue));
    },
  };
}

/** A filter would take the next round for the last one again. */
function neverTheSame(side: Side, forget: () => Promise<void>): Side {
  let sent = 0;
  return {
    ...side,
    add: () => side.add(sent++),
    addMany: async (indexes) => side.addMany?.(indexes.map(() => sent++)),
    async close() {
      await side.close();
      await forget();
    },
  };
}

export const memoryControls = controlsBench({
  broker: "memory",
  jobs: 50_000,
  concurrency: 500,
  goal: goals.atLeast(50_000),
  open: () => memory(),
});

export const sqliteControls = controlsBench({
  broker: "sqlite",
  jobs: 20_000,
  concurrency: 500,
  open: (folder, queue) => sqlite({ file: join(folder, `${queue}.db`) }),
});

export const bullmqControls = controlsBench({
  broker: "bullmq",
  jobs: 5_000,
  concurrency: 50,
  open: (url) => bullmq({ url }),
  /** Rows stay for an hour, and the server is not ours alone. */
  async forget(url, name) {
    const client = new Redis(url);
    for await (const keys of client.scanStream({ match: `*${name}*`, count: 1_000 }))
      if (keys.length > 0) await client.unlink(...(keys as string[]));
    await client.quit();
  },
});
