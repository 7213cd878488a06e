/** Leases over real processes: of three that consume one queue the leader is stopped and let go again, and holders of a lock are killed and stopped. */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { redisStore } from "../../adapters/redis/store.ts";
import { sqliteStore } from "../../adapters/sqlite/store.ts";
import type { Store } from "../../src/contract/index.ts";
import { takeLease } from "../../src/store/lease.ts";
import type { Child } from "../conformance/child-process.ts";
import { type Context, createContext } from "../conformance/context.ts";
import { createSubject } from "../conformance/index.ts";
import { sleepThroughLeases } from "../conformance/leases.ts";
import { machineMs } from "../conformance/machine.ts";
import { stop } from "../conformance/standstill.ts";
import { built } from "../conformance/subject.ts";
import { holds, until, within } from "../conformance/until.ts";
import type { LockJob, LockNews } from "../support/lock-child.ts";
import { serviceFor } from "../support/services.ts";

const redis = await serviceFor("redis");
const url = redis.settings?.REDIS_URL ?? "";
const folder = mkdtempSync(join(tmpdir(), "funboost-leases-"));
const closing: (() => Promise<void>)[] = [];
afterAll(async () => {
  await Promise.all(closing.map((close) => close()));
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

const leaseMs = 1_000;
/** Longer than the lease: it is renewed during a turn. */
const turnMs = 1_500;
const soonMs = 30_000;

interface Turn {
  readonly pid: number;
  readonly from: number;
  to: number;
  how: "under way" | "end" | "conceded";
}

function turnsIn(log: string): Turn[] {
  const turns: Turn[] = [];
  for (const line of readFileSync(log, "utf8").trim().split("\n")) {
    const [pid, what, ms] = line.split(" ");
    const last = turns.findLast((turn) => turn.pid === Number(pid));
    if (what === "begin")
      turns.push({ pid: Number(pid), from: Number(ms), to: Number.POSITIVE_INFINITY, how: "under way" });
    else if (last) Object.assign(last, { to: Number(ms), how: what });
  }
  return turns;
}

/** Turns of two processes at once; one that its lease's end has cut short is no turn any more. */
function overlaps(turns: readonly Turn[]): [Turn, Turn][] {
  const whole = turns.filter(({ how }) => how !== "conceded");
  return whole.flatMap((a, i) =>
    whole
      .slice(i + 1)
      .flatMap((b): [Turn, Turn][] => (a.pid !== b.pid && a.from < b.to && b.from < a.to ? [[a, b]] : [])),
  );
}

/** The process that has begun the newest turn, in the middle of that turn or between two. */
async function leaderOf(
  children: readonly Child[],
  log: string,
  moment: "in a turn" | "between turns",
): Promise<Child> {
  let leader: Child | undefined;
  await until(
    `one of them leads, ${moment}`,
    () => {
      const newest = turnsIn(log).findLast(({ pid }) => children.some((child) => child.pid === pid));
      const fits =
        moment === "in a turn"
          ? newest?.how === "under way" && machineMs() - newest.from < turnMs / 3
          : newest?.how === "end";
      leader = fits ? children.find(({ pid }) => pid === newest?.pid) : undefined;
      return leader;
    },
    soonMs,
  );
  return leader as Child;
}

/** Stops the leader between two of its turns, for some leases; answers when it went on. */
async function stopBetweenTurns(
  context: Context,
  children: readonly Child[],
  log: string,
): Promise<{ readonly pid: number; readonly wokeAt: number }> {
  let leader = await leaderOf(children, log, "between turns");
  while (!(await stop(context, leader))) leader = await leaderOf(children, log, "between turns");
  const since = machineMs();
  const led = () => turnsIn(log).some(({ pid, from }) => pid !== leader.pid && from > since);
  await until("another one leads", () => led() && machineMs() - since > 3 * leaseMs, soonMs);
  leader.signal("SIGCONT");
  return { pid: leader.pid, wokeAt: machineMs() };
}

async function threeProcesses(kind: string): Promise<void> {
  const log = join(folder, `${kind}.log`);
  const settings = { kind, log, turnMs: String(turnMs), file: join(folder, `${kind}.db`), REDIS_URL: url };
  const subject = createSubject({
    name: kind,
    create: new URL("../support/visible-broker.ts", import.meta.url),
    settings,
    leaseMs,
    patienceMs: soonMs,
  });
  const { context, clean } = await createContext(subject);
  try {
    const times = { stopped: 0, waking: 0, awake: 0 };
    let crowd: readonly Child[] = [];
    let slept: number | undefined;
    await sleepThroughLeases(context, {
      sleepMs: 10 * leaseMs,
      runMs: 8 * leaseMs,
      choose: (children) => leaderOf((crowd = children), log, "in a turn"),
      on: (what, sleeper) => {
        times[what] = machineMs();
        slept = sleeper.pid;
      },
    });
    const cut = turnsIn(log).filter(({ pid, from, to }) => pid === slept && from < times.stopped && to > times.waking);
    expect(cut.map(({ how }) => how)).toEqual(["conceded"]);
    expect(turnsIn(log).some(({ pid, from }) => pid !== slept && from > times.stopped && from < times.waking)).toBe(
      true,
    );
    const { wokeAt } = await stopBetweenTurns(context, crowd, log);
    await until(
      "maintenance goes on",
      () => turnsIn(log).filter(({ from, how }) => from > wokeAt && how === "end").length >= 2,
      soonMs,
    );
    expect(overlaps(turnsIn(log))).toEqual([]);
  } finally {
    await clean();
  }
}

const needsRedis = redis.unavailable === undefined;

describe.concurrent("three processes, the leader stopped and let go again: one maintains at a time, nothing is done twice", {
  timeout: 150_000,
}, () => {
  it("sqlite", () => threeProcesses("sqlite"));
  it.skipIf(!needsRedis)("bullmq, its leases on redis", () => threeProcesses("bullmq"));
  it.skipIf(!needsRedis)("all emulated, on sqlite, its leases on redis", () =>
    threeProcesses("bare on sqlite over redis"),
  );
});

interface Holder {
  readonly process: ChildProcess;
  readonly news: LockNews[];
}

async function holder(job: LockJob): Promise<Holder> {
  const module = built(new URL("../support/lock-child.ts", import.meta.url));
  if (!module) throw new Error("child processes run from dist, which is not built: npm run build");
  const process = fork(fileURLToPath(module), [JSON.stringify(job)]);
  closing.push(async () => void process.kill("SIGKILL"));
  const news: LockNews[] = [];
  process.on("message", (each) => void news.push(each as LockNews));
  await until("the child holds the lock", () => news.includes("held"), soonMs);
  return { process, news };
}

const ttl = 2_000;

/** `placeOf`: each case has a file of its own, since a process that stands still may do so in the middle of a write. */
function lockCases(
  name: string,
  placeOf: (key: string) => LockJob["store"],
  open: (place: LockJob["store"]) => Store,
): void {
  const take = (store: Store, key: string) => takeLease(store, { name: `lock:${key}`, ttlMs: ttl, what: key });
  const opened = (key: string) => {
    const store = open(placeOf(key));
    closing.push(() => store.close());
    return store;
  };

  it(`${name}: a killed holder frees it at its ttl, not before, and held it for longer while it lived`, async () => {
    const store = opened("killed");
    const { process } = await holder({ store: placeOf("killed"), key: "killed", ttl });
    await holds("it is renewed", async () => (await take(store, "killed")) === undefined, 1.5 * ttl);
    process.kill("SIGKILL");
    const killedAt = machineMs();
    await until("it is free", async () => (await take(store, "killed")) !== undefined, soonMs);
    expect(machineMs() - killedAt).toBeGreaterThan(ttl / 2); // renewed each quarter of its ttl, and no machine is so slow
  });

  it(`${name}: a holder that was stopped has lost it, is told so, and takes nothing from the next one`, async () => {
    const store = opened("stopped");
    const { process, news } = await holder({ store: placeOf("stopped"), key: "stopped", ttl });
    const canWrite = (n: number) =>
      within("others can write", take(store, `probe ${n}`), 1_000).then(Boolean, () => false);
    for (let n = 0; process.kill("SIGSTOP") && !(await canWrite(n)); n++) process.kill("SIGCONT");
    let next: Awaited<ReturnType<typeof take>>;
    await until("it is free", async () => (next ??= await take(store, "stopped")), soonMs);
    process.kill("SIGCONT");
    await until("it is told", () => news.includes("lost"), soonMs);
    process.send("end");
    await until("it has ended", () => news.includes("released"), soonMs);
    await holds("the next one has it", async () => next?.isOurs() && (await take(store, "stopped")) === undefined, ttl);
    await next?.release();
    expect(await take(store, "stopped")).toBeDefined();
  });
}

describe.concurrent("a lock", { timeout: 90_000 }, () => {
  lockCases(
    "sqlite",
    (key) => ({ file: join(folder, `locks-${key}.db`) }),
    (place) => sqliteStore(place as { file: string }),
  );
  const prefix = `locks${process.pid}${Date.now().toString(36)}:`;
  if (needsRedis)
    lockCases(
      "redis",
      () => ({ url, prefix }),
      () => redisStore({ url, prefix }),
    );
});
