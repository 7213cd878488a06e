/**
 * A server that stands still, or a file that another process has locked, for longer than a lease: what lives is not
 * started again, what ended meanwhile neither, and what died meanwhile is. All engines side by side; they mostly wait.
 * FUNBOOST_FROZEN_ROUNDS: how often. Default 2.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "libsql";
import { afterAll, describe, expect, it, vi } from "vitest";
import { sleep } from "../../src/base/clock.ts";
import type { Child } from "../conformance/child-process.ts";
import { type Context, createContext } from "../conformance/context.ts";
import { createSubject } from "../conformance/index.ts";
import { type EngineName, engines, isChosen } from "../support/engines.ts";
import { type PrivateService, startPrivate } from "../support/services.ts";
import { tellMissing } from "../support/tell-missing.ts";

const rounds = Number(process.env.FUNBOOST_FROZEN_ROUNDS ?? 2);
const leaseMs = 2_000;
const standstillMs = 5_000;
const soonMs = 30_000;
const living = 10;
/** They end while nothing is answered. */
const brief = 4;
const doomed = 2;
/** Longer than the standstill and all that follows from it. */
const runMs = standstillMs + 4 * leaseMs;
/** Never ends by itself. */
const doomedMs = 300_000;
const briefMs = standstillMs / 2;

const folder = mkdtempSync(join(tmpdir(), "funboost-frozen-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
vi.setConfig({ maxConcurrency: 16 });

interface Target {
  readonly settings: Readonly<Record<string, string>>;
  /** Answers what lets it go on. */
  freeze(): () => void;
}

/** The write lock of a SQLite file, in the hands of somebody else. */
function lockFile(file: string, how: "immediate" | "exclusive"): () => void {
  const db = new Database(file, { timeout: 5_000 });
  db.exec(`begin ${how}`);
  return () => {
    db.exec("commit");
    db.close();
  };
}

function freezeService(service: PrivateService): () => void {
  service.freeze();
  return service.thaw;
}

const startsOf = (children: readonly Child[], kind: string) =>
  children.flatMap((child) => child.seen("start")).filter(({ value }) => String(value).startsWith(kind)).length;
const endsOf = (children: readonly Child[], kind: string) =>
  children.flatMap((child) => child.seen("end")).filter(({ value }) => String(value).startsWith(kind)).length;

/** Two processes hold what lives, a third what dies with it. */
async function freezeOnce(context: Context, freeze: Target["freeze"]): Promise<string> {
  const job = context.task({ params: ["value", "ms?"] }, (_value: string, _ms?: number): void => {});
  const push = (kind: string, count: number, ms: number) =>
    Promise.all(Array.from({ length: count }, (_, n) => job.push(`${kind} ${n}`, ms)));
  const start = (concurrency: number) => context.child({ params: { concurrency, prefetch: 0 }, consume: false });
  const [dies, ...children] = await Promise.all([start(doomed), start(living), start(living)]);
  await dies.call("consume");
  await push("doomed", doomed, doomedMs);
  await context.until("what is doomed runs", () => startsOf([dies], "doomed") === doomed, soonMs);
  await dies.call("consumer.pause"); // else it may hold what is to live
  await Promise.all(children.map((child) => child.call("consume")));
  await push("living", living, runMs);
  await push("brief", brief, briefMs);
  await context.until(
    "all run",
    () => startsOf(children, "living") + startsOf(children, "brief") === living + brief,
    soonMs,
  );
  await sleep(Math.random() * leaseMs); // anywhere in the rounds of renewals and rescues, brief ones still run
  const thaw = freeze();
  try {
    await sleep(standstillMs / 5);
    await dies.kill();
    await sleep((4 * standstillMs) / 5);
  } finally {
    thaw();
  }
  const thawedAt = performance.now();
  await context.until("what died comes again", () => startsOf(children, "doomed") === doomed, soonMs);
  const againMs = performance.now() - thawedAt;
  await context.until("what lives ends", () => endsOf(children, "living") >= living, soonMs);
  await sleep(2 * leaseMs); // what was not acknowledged would come again
  expect({ living: startsOf(children, "living"), brief: startsOf(children, "brief") }).toEqual({ living, brief });
  return `what died came again after ${Math.round(againMs)} ms`;
}

function rounded(name: string, settings: Target["settings"], freeze: Target["freeze"]): void {
  const subject = createSubject({
    name,
    create: new URL("../support/engines.ts", import.meta.url),
    settings,
    leaseMs,
  });
  const timeout = (rounds + 1) * 60_000;
  it.concurrent(`${name}: of ${living} living runs none is started again, in ${rounds} rounds`, {
    timeout,
  }, async () => {
    const failures: string[] = [];
    for (let round = 1; round <= rounds; round++) {
      const { context, clean } = await createContext(subject);
      const said = await freezeOnce(context, freeze).catch((error: Error) => {
        failures.push(`round ${round}: ${error.message}`);
        return error.message;
      });
      console.log(`${name}, round ${round}: ${said}`);
      await clean();
    }
    expect(failures).toEqual([]);
  });
}

const chosen = (
  ["bullmq", "bee-queue", "agenda-redis", "agenda-postgres", "agenda-mongo"] satisfies EngineName[]
).filter(isChosen);
const services = await Promise.all(chosen.map((name) => startPrivate(engines[name].server)));
afterAll(() => Promise.all(services.map((service) => service.stop())));

describe("a standstill that is longer than the lease", () => {
  if (isChosen("sqlite")) {
    const file = join(folder, "queue.db");
    let count = 0;
    rounded("sqlite", { engine: "sqlite", file }, () => lockFile(file, count++ % 2 === 0 ? "immediate" : "exclusive"));
  }
  for (const [i, name] of chosen.entries()) {
    const service = services[i] as PrivateService;
    if (service.unavailable !== undefined) tellMissing(name, service);
    else rounded(name, { engine: name, ...service.settings }, () => freezeService(service));
  }
});
