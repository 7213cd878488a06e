/** One rate for all processes, for a minute: busy and sporadic ones, one killed, others that join and leave, runs of 10 ms and of 30 s. All side by side. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { sqlite } from "../../adapters/sqlite/broker.ts";
import { sleep } from "../../src/base/clock.ts";
import { boost, configure, shutdown, type TaskParams } from "../../src/index.ts";
import { machineMs, stalledIn } from "../conformance/machine.ts";
import { until } from "../conformance/until.ts";
import { chosenEngines, create } from "../support/engines.ts";
import type { QpsQueue } from "../support/qps-child.ts";
import {
  busiest,
  type QpsProcess,
  type Start,
  stallsOf,
  startQpsProcess,
  startsOf,
  timesOf,
} from "../support/qps-processes.ts";
import { serviceFor } from "../support/services.ts";
import { tellMissing } from "../support/tell-missing.ts";

const qps = 50;
const liveQps = 80;
const seconds = 60;
/** A shorter stall of a process is not noted by it: so much nearer two starts may seem. */
const blindMs = 10;
/** Of consuming before the minute begins: processes that have just started are busy with themselves. */
const warmUpSeconds = 4;
const folder = mkdtempSync(join(tmpdir(), "funboost-qps-"));
vi.setConfig({ maxConcurrency: 64 });

interface Run {
  readonly title: string;
  readonly queue: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Which of the eight processes consume it; the first two are busy. */
  readonly members: readonly number[];
  readonly live?: true;
  /** Those that are not busy are at the limit of their slots. */
  readonly slow?: true;
}

const killed = 1;
const leaves = 7;
const joinsLate = 6;
const all = [0, 1, 2, 3, 4, 5, joinsLate, leaves];

const engines = [
  ["sqlite", { server: undefined }] as const,
  ...chosenEngines().filter(([name]) => ["bullmq", "bee-queue", "agenda-postgres"].includes(name)),
];
const servers = [...new Set(engines.flatMap(([, { server }]) => server ?? []))];
const services = await Promise.all(servers.map((server) => serviceFor(server, { direct: true })));

function runsOn(engine: string, settings: Readonly<Record<string, string>>): Run[] {
  const run = (name: string, members: readonly number[]) => ({
    title: `${engine}, ${name}`,
    queue: `qps-${process.pid}-${engine}-${name}`.replaceAll(" ", "-"),
    settings,
    members,
  });
  if (engine !== "sqlite" && engine !== "bullmq") return [run("4 processes", all.slice(0, 4))];
  return [
    run("1 process", [0]),
    run("4 processes", all.slice(0, 4)),
    run("8 processes", all),
    { ...run("two quick and two slow ones", all.slice(0, 4)), slow: true },
    { ...run("changed while it runs", [0, 4, 5]), live: true },
  ];
}

const runs: Run[] = engines.flatMap(([engine, { server }]) => {
  const settings =
    server === undefined ? { file: join(folder, "queue.db") } : services[servers.indexOf(server)]?.settings;
  return settings ? runsOn(engine, { engine, storeFile: join(folder, `${engine}.db`), ...settings }) : [];
});

function queueOf({ queue, settings, live, slow }: Run, member: number): QpsQueue {
  const limited = { queue, settings, params: { qps, qpsScope: "global" } };
  if (slow) return { ...limited, ...(member < 2 ? { concurrency: 50, runMs: 5 } : { concurrency: 3, runMs: 400 }) };
  return {
    queue,
    settings,
    params: { qps: live ? qps / 2 : qps, qpsScope: "global" },
    concurrency: member < 2 || live ? 2_000 : 2 + member,
  };
}

/** How long the run takes that starts so many seconds after the first. */
function durationMs(second: number): number {
  return second < 10 ? 10 : second < 25 ? 7_000 : second < 45 ? 30_000 : 800;
}

const processes: QpsProcess[] = [];
const queuesOf = (member: number) => runs.filter(({ members }) => members.includes(member));
const call = (member: number, method: "join" | "leave") =>
  Promise.all(queuesOf(member).map(({ queue }) => processes[member]?.call(method, queue)));
const taskOf = ({ queue, settings }: Run) => {
  const broker = settings.engine === "sqlite" ? sqlite({ file: settings.file as string }) : create(settings);
  return boost({ queue, broker, params: ["n", "ms"] } as TaskParams, (_n: number, _ms: number) => {});
};

async function fill(): Promise<void> {
  for (const run of runs) {
    const count = (run.live ? liveQps : qps) * (seconds + warmUpSeconds + 8);
    await taskOf(run).pushMany(
      Array.from({ length: count }, (_, n): [number, number] => [n, run.live ? 10 : durationMs(n / qps)]),
    );
  }
}

let ended: Promise<void>;
const changedAt = new Map<Run, number>();

/** What happens in the minute. */
async function play(): Promise<void> {
  await sleep((warmUpSeconds + 10) * 1_000);
  await call(joinsLate, "join");
  await sleep(8_000);
  await call(leaves, "leave");
  await sleep(7_000);
  await processes[killed]?.kill();
  await sleep(10_000);
  await call(leaves, "join");
  for (const run of runs.filter(({ live }) => live)) {
    changedAt.set(run, machineMs());
    await processes[4]?.call("setQps", run.queue, liveQps);
  }
  await sleep((seconds - 35 + 2) * 1_000);
}

beforeAll(async () => {
  configure({ signals: false, log: { level: "silent" } });
  const starting = all.map((member) =>
    startQpsProcess(
      join(folder, `starts-${member}`),
      queuesOf(member).map((run) => queueOf(run, member)),
    ),
  );
  await fill();
  processes.push(...(await Promise.all(starting)));
  await Promise.all(all.filter((member) => member !== joinsLate).map((member) => call(member, "join")));
  ended = play();
}, 180_000);

afterAll(async () => {
  await Promise.all(processes.map((each) => each.kill()));
  for (const run of runs) await taskOf(run).clear();
  await shutdown();
  await Promise.all(services.map((service) => service.stop()));
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** What the machine took from the process that it kept from running the longest; nearly 0 where it is idle. */
const stalledMs = ({ members }: Run, from: number, to: number) =>
  Math.max(...members.map((member) => stalledIn(stallsOf(processes[member] as QpsProcess), from, to)));

/** Late starts are made up for, so that a busy machine costs few: more than these are missing only where the limiter loses them. */
const lostToStalls = 0.1;

/** Of these starts 1 in 100 may be missing, and a little of what a machine that is busy with others has prevented; none is too many. */
function expectRate(run: Run, starts: readonly Start[], rate: number, from: number, ms: number): void {
  const count = starts.filter(({ at }) => at >= from && at < from + ms).length;
  const stalled = stalledMs(run, from, from + ms);
  const wanted = (rate * ms) / 1_000;
  console.log(
    `${run.title}: ${count} starts of ${wanted}, busiest second ${busiest(starts, 1_000, "at")} (${busiest(starts, 1_000)} but for stalls), stalled ${stalled.toFixed(0)} ms`,
  );
  expect(count).toBeLessThanOrEqual(wanted * 1.01 + 1);
  expect(count).toBeGreaterThanOrEqual(wanted * 0.99 - 1 - Math.min((rate * stalled) / 1_000, wanted * lostToStalls));
}

describe.concurrent("one rate for all processes", { timeout: 180_000 }, () => {
  for (const service of services.filter(({ unavailable }) => unavailable !== undefined))
    tellMissing("one rate", service);

  for (const run of runs.filter(({ live }) => !live))
    it(run.title, async () => {
      await until("it starts", () => startsOf(processes, run.queue).length > 0, 30_000);
      await ended;
      const starts = startsOf(processes, run.queue);
      const from = (starts[0] as Start).at + warmUpSeconds * 1_000;
      expectRate(run, starts, qps, from, seconds * 1_000);
      expect(busiest(starts, 1_000 - blindMs)).toBeLessThanOrEqual(qps + 1);
    });

  for (const run of runs.filter(({ live }) => live))
    it(run.title, async () => {
      await ended;
      const changed = changedAt.get(run) as number;
      const inForce = run.members.map(
        (member) =>
          (timesOf(processes[member] as QpsProcess, `${run.queue} limits`)[0] ?? Number.POSITIVE_INFINITY) - changed,
      );
      const late = stalledMs(run, changed, changed + 1_000);
      expect(Math.max(...inForce)).toBeLessThan(1_000 + late);
      const starts = startsOf(processes, run.queue);
      const [before, after] = [
        starts.filter(({ at }) => at < changed),
        starts.filter(({ at }) => at > changed + 1_000 + late),
      ];
      expect(busiest(before, 1_000)).toBeLessThanOrEqual(qps / 2 + 1);
      expect(busiest(after, 1_000)).toBeLessThanOrEqual(liveQps + 2);
      expectRate(run, starts, liveQps, changed + 2_000 + late, 10_000);
    });
});
