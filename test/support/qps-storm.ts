/** One rate for processes of which some are at the limit of their slots, and one is killed: how much of it is held. For `npm run storm -- --qps`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "../../src/base/clock.ts";
import { boost, type TaskParams } from "../../src/index.ts";
import { stalledIn } from "../conformance/machine.ts";
import { until } from "../conformance/until.ts";
import { create, engines } from "./engines.ts";
import { busiest, type QpsProcess, type Start, stallsOf, startQpsProcess, startsOf } from "./qps-processes.ts";
import { serviceFor } from "./services.ts";

const qps = 50;
const backlog = 6_000;
const killedAfterMs = 8_000;
const watchedMs = 36_000;

interface Member {
  readonly concurrency: number;
  readonly runMs: number;
}

const quick: Member = { concurrency: 50, runMs: 5 };
const slow: Member = { concurrency: 3, runMs: 400 };
const atLimit = (count: number) => Array.from({ length: count }, () => ({ ...slow, concurrency: 24 / count }));

/** The first one is killed, where a name says so. */
export const qpsScenarios: Readonly<Record<string, readonly Member[]>> = {
  "quick-killed": [quick, quick, slow, slow],
  "slow-killed": [slow, slow, quick, quick],
  "limit-2": atLimit(2),
  "limit-4": atLimit(4),
  "limit-8": atLimit(8),
};

export const qpsBrokers = ["sqlite", "bullmq", "bee-queue", "agenda-postgres"] as const;

export interface QpsOutcome {
  readonly broker: string;
  readonly scenario: string;
  /** Starts a second, from the kill on. */
  readonly rate: number;
  readonly busiest: number;
  /** Of the process that stood still the longest, while it was watched. */
  readonly stalledMs: number;
  readonly seconds: readonly number[];
}

/** The settings of a broker's server, and how to let it go. */
export async function qpsPlace(broker: (typeof qpsBrokers)[number]) {
  const folder = mkdtempSync(join(tmpdir(), "funboost-qps-storm-"));
  const engine = broker === "sqlite" ? undefined : engines[broker];
  const service = engine && (await serviceFor(engine.server, { direct: true }));
  if (service?.unavailable) throw new Error(`${broker}: ${service.unavailable}`);
  const settings = { engine: broker, file: join(folder, "queue.db"), storeFile: join(folder, "store.db") };
  return {
    settings: { ...settings, ...service?.settings },
    folder,
    async close() {
      await service?.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function playQps(
  broker: string,
  scenario: string,
  { settings, folder }: { readonly settings: Readonly<Record<string, string>>; readonly folder: string },
  round: number,
): Promise<QpsOutcome> {
  const queue = `qps-storm-${process.pid}-${broker}-${scenario}-${round}`;
  const params = { qps, qpsScope: "global" };
  const task = boost(
    { queue, broker: create(settings), params: ["n", "ms"] } as TaskParams,
    (_n: number, _ms: number) => {},
  );
  const members = qpsScenarios[scenario] as readonly Member[];
  const processes = await Promise.all(
    members.map((member, i) =>
      startQpsProcess(join(folder, `${queue}-${i}`), [{ queue, settings, params, ...member }]),
    ),
  );
  try {
    await task.pushMany(Array.from({ length: backlog }, (_, n): [number, number] => [n, 0]));
    await Promise.all(processes.map((each) => each.call("join", queue)));
    await until("it starts", () => startsOf(processes, queue).length > 0, 30_000);
    await sleep(killedAfterMs);
    if (scenario.endsWith("killed")) await processes[0]?.kill();
    await sleep(watchedMs + 500);
    return outcomeOf(broker, scenario, startsOf(processes, queue), processes);
  } finally {
    await Promise.all(processes.map((each) => each.kill()));
    await task.clear();
  }
}

function outcomeOf(
  broker: string,
  scenario: string,
  starts: readonly Start[],
  processes: readonly QpsProcess[],
): QpsOutcome {
  const from = (starts[0] as Start).at + killedAfterMs;
  const countIn = (begin: number, ms: number) => starts.filter(({ at }) => at >= begin && at < begin + ms).length;
  return {
    broker,
    scenario,
    rate: (countIn(from, watchedMs) * 1_000) / watchedMs,
    busiest: busiest(starts, 1_000),
    stalledMs: Math.max(...processes.map((each) => stalledIn(stallsOf(each), from, from + watchedMs))),
    seconds: Array.from({ length: watchedMs / 1_000 }, (_, i) => countIn(from + 1_000 * i, 1_000)),
  };
}
