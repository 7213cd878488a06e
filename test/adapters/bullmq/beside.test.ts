/** Producers and workers of BullMQ 5 and 6 beside ours on one queue, each killed at random. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Queue } from "bullmq";
import { afterAll, expect, it } from "vitest";
import { sleep } from "../../../src/base/clock.ts";
import { built } from "../../conformance/subject.ts";
import type { BesideJob, Role } from "../../support/beside-child.ts";
import { until } from "../../support/consuming.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
afterAll(() => service.stop());
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
const module = built(new URL("../../support/beside-child.ts", import.meta.url));
const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

const killingMs = 25_000;
/** Two of ours, so that what one loses the other finds. */
const all: readonly Role[] = ["producer5", "producer6", "producer", "worker5", "worker6", "ours", "ours"];

interface Seen {
  name: string;
  added: boolean;
  /** Who has begun which run. */
  readonly starts: { readonly role: string; readonly attempt: number; ended: boolean }[];
}

/** By the ids of the jobs. */
function readSeen(file: string): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  for (const line of readFileSync(file, "utf8").split("\n").slice(0, -1)) {
    const [role = "", rest = ""] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
    const [what, id = "", more = ""] = rest.split("/");
    const one = seen.get(id) ?? { name: "", added: false, starts: [] };
    seen.set(id, one);
    if (what === "want") one.name = more;
    else if (what === "added") one.added = true;
    else if (what === "start") one.starts.push({ role, attempt: Number(more), ended: false });
    else {
      const start = one.starts.findLast((each) => each.role === role && each.attempt === Number(more) && !each.ended);
      if (start) start.ended = true;
    }
  }
  return seen;
}

/** By its own rules: state and attempts made. */
const ends: Readonly<Record<string, string>> = {
  ...{ good: "completed 1", delayed: "completed 1", prioritized: "completed 1", lifo: "completed 1" },
  ...{ removed: "unknown", bad: "failed 1", "bad 3": "failed 3", "good at 3": "completed 3", never: "failed 1" },
};

/** What is wrong with it; undefined: nothing. */
async function faultOf(native: Queue, id: string, { name, added, starts }: Seen): Promise<string | undefined> {
  const state = await native.getJobState(id);
  const job = await native.getJob(id);
  if (!added && !job && starts.length === 0) return undefined; // its producer died first
  const isOurs = id.startsWith("producer-");
  const found = job ? `${state} ${job.attemptsMade}` : state;
  const fits = found === ends[name] || (isOurs && name.startsWith("good") && state === "unknown");
  const lostByOthers = starts.filter(({ role, ended }) => !ended && role !== "ours").length;
  // BullMQ's own rule: what was lost twice has failed. What ours alone lost has not.
  const isTheirs = lostByOthers >= 1 && String(job?.failedReason).includes("stalled");
  if ((fits && starts.length > 0) || isTheirs) return undefined;
  return `${id} "${name}": ${found} ${job?.failedReason ?? ""}, ${JSON.stringify(starts)}`;
}

it.skipIf(!url || !module)(`every job ends by its own rules${skipped}`, { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "funboost-beside-"));
  const prefix = `storm${process.pid}${Date.now().toString(36)}`;
  const [queue, file] = ["storm", join(folder, "seen")];
  const native = new Queue(queue, { connection: { url } as never, prefix });
  const start = (role: Role) =>
    fork(fileURLToPath(module as URL), [JSON.stringify({ role, url, prefix, queue, file } satisfies BesideJob)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [],
    });
  const kill = async (child: ChildProcess | undefined) => {
    if (child?.exitCode !== null || child.signalCode) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  const children = all.map(start);
  try {
    await sleep(3_000);
    for (const end = Date.now() + killingMs; Date.now() < end; await sleep(700)) {
      const i = Math.floor(Math.random() * all.length);
      await kill(children[i]);
      children[i] = start(all[i] as Role);
    }
    await Promise.all(children.filter((_, i) => all[i]?.startsWith("producer")).map(kill));
    const open = ["wait", "prioritized", "delayed", "active"] as const;
    await until(async () => (await native.getJobCountByTypes(...open)) === 0, 40_000);
    const seen = [...readSeen(file)];
    const faults = await Promise.all(seen.map(([id, one]) => faultOf(native, id, one)));
    expect(faults.filter(Boolean)).toEqual([]);
    const by = (role: string) => seen.filter(([, { starts }]) => starts.some((each) => each.role === role)).length;
    expect(Math.min(...["worker5", "worker6", "ours"].map(by))).toBeGreaterThan(20);
    expect(seen.some(([, { starts }]) => starts.some(({ role, ended }) => role === "ours" && !ended))).toBe(true);
  } finally {
    await Promise.all(children.map(kill));
    await native.obliterate({ force: true });
    await native.close();
    rmSync(folder, { recursive: true });
  }
});
