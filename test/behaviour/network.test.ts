/** A network that fails: connections that die without a word, are cut again and again, or lose the answers. On every engine and on the Redis store, side by side. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boost, configure, publisher, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { redisStore } from "funboost/stores/redis";
import { afterAll, describe, type ExpectStatic, it, vi } from "vitest";
import { sleep } from "../../src/base/clock.ts";
import { stopwatch } from "../conformance/machine.ts";
import { chosenEngines, create, type Engine, type EngineName } from "../support/engines.ts";
import { proxy, type ServerProxy } from "../support/services/proxy.ts";
import type { ServerName } from "../support/services/server.ts";
import { type RunningService, serviceFor } from "../support/services.ts";
import { tellMissing } from "../support/tell-missing.ts";
import { withStore } from "../support/with-store.ts";

/**
 * From the silence on, or from its end where it took all: until a new connection has done what was asked, and what a machine adds that is
 * shared. Temporal's servers do not like to be asked more often than each 10 s.
 */
const soonOn = (name: EngineName) => ({ timeout: (name === "temporal" ? 16_000 : 10_000) + 6_000, interval: 50 });
const blackoutMs = 12_000;
const stormMs = 8_000;

// They wait, they do not work: all at once.
vi.setConfig({ maxConcurrency: 64 });
const folder = mkdtempSync(join(tmpdir(), "funboost-network-"));
/** Servers may be kept from run to run. */
const run = `${process.pid}${Date.now().toString(36)}`;
const chosen = chosenEngines();
const services = new Map<ServerName, RunningService>();
for (const server of new Set<ServerName>(["redis", ...chosen.map(([, { server }]) => server)]))
  services.set(server, await serviceFor(server, { direct: true }));
const proxies: ServerProxy[] = [];
configure({ signals: false, log: { level: "silent" } });

const thrown: unknown[] = [];
const note = (error: unknown) => void thrown.push(error);
for (const event of ["unhandledRejection", "uncaughtException"] as const) process.on(event, note);

afterAll(async () => {
  await shutdown({ grace: 100 }).catch(() => {});
  await Promise.all([...proxies.map((each) => each.close()), ...[...services.values()].map((each) => each.stop())]);
  rmSync(folder, { recursive: true, force: true });
  for (const event of ["unhandledRejection", "uncaughtException"] as const) process.off(event, note);
});

async function between(address: string): Promise<ServerProxy> {
  const it = (await proxy(address)) as ServerProxy;
  proxies.push(it);
  return it;
}

let files = 0;

/** An engine by way of a network, and beside it. */
async function meet(name: EngineName, { server, variable }: Engine) {
  const address = services.get(server)?.settings?.[variable] ?? "";
  const network = await between(address);
  const at = (to: string) => create({ engine: name, [variable]: to, storeFile: join(folder, `${files++}.db`) });
  return { network, queue: `network.${name}.${run}.${files}`, over: at(network.address), beside: at(address) };
}

/** Again and again, as a caller would. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch {
      await sleep(200);
    }
  }
}

async function consuming(name: EngineName, engine: Engine) {
  const soon = soonOn(name);
  const { network, queue, over, beside } = await meet(name, engine);
  const ran = new Set<number>();
  const task = boost({ queue, broker: over, params: ["n"] }, (n: number) => void ran.add(n));
  const others = publisher<typeof task>({ queue, broker: beside, params: ["n"] });
  await task.consume();
  await task.push(0);
  await vi.waitUntil(() => ran.has(0), soon);
  let last = 0;
  /** Published beside the network and by way of it: all of them run. */
  const works = async () => {
    const numbers = Array.from({ length: 8 }, () => ++last);
    await others.pushMany(numbers.map((n) => [n]));
    const own = ++last;
    await insist(() => task.push(own));
    await vi.waitUntil(() => [...numbers, own].every((n) => ran.has(n)), soon);
  };
  /** What tells of new messages is there too; without it they would wait for a look, which comes each two seconds. */
  const isTold = async () => {
    await sleep(300);
    const n = ++last;
    await others.push(n);
    const ranMs = stopwatch();
    await vi.waitUntil(() => ran.has(n), soon);
    return ranMs() < 1_000;
  };
  return { network, task, works, told: () => vi.waitUntil(isTold, soon) };
}

async function diesUnseen(name: EngineName, engine: Engine): Promise<void> {
  const { network, works, told } = await consuming(name, engine);
  network.silence();
  await works();
  await told();
}

async function dropsAll(name: EngineName, engine: Engine): Promise<void> {
  const { network, works, told } = await consuming(name, engine);
  network.silence({ all: true });
  await sleep(blackoutMs);
  network.restore();
  await works();
  await told();
}

async function isCut(name: EngineName, engine: Engine, expect: ExpectStatic): Promise<void> {
  const { network, task, works, told } = await consuming(name, engine);
  for (const from = performance.now(); performance.now() - from < stormMs; ) {
    await sleep(5 + 55 * Math.random());
    await network.cut();
    task.push(0).catch(() => {});
  }
  await works();
  await told();
  expect(thrown).toEqual([]);
}

/** The publisher asks no store, whose answers are lost too; who consumes has another way to the server. */
async function losesAnswers(name: EngineName, engine: Engine, expect: ExpectStatic): Promise<void> {
  const { network, queue, over, beside } = await meet(name, engine);
  const ran: number[] = [];
  const task = boost({ queue, broker: beside, params: ["n"] }, (n: number) => void ran.push(n));
  const { store: _, ...broker } = over;
  const { count, push, publish } = publisher<typeof task>({ queue, broker, params: ["n"], publishTimeout: "2s" });
  await insist(count); // opens it, which may take longer than two seconds here
  await insist(() => publish([0], { taskId: "zero" }));
  network.silence({ answers: true });
  const pushed = await Promise.allSettled([push(1), publish([2], { taskId: "two" })]);
  expect(pushed.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await network.cut();
  const again = await insist(() => publish([2], { taskId: "two" }));
  if (name !== "temporal") expect(again.existing).toBe(true); // which asked first whether there is a workflow with this id
  await task.consume();
  await vi.waitUntil(() => ran.length >= 3, soonOn(name));
  await sleep(1_000);
  expect(ran.sort()).toEqual([0, 1, 2]);
}

describe.concurrent("a network that fails", { timeout: 60_000 }, () => {
  for (const [name, engine] of chosen) {
    const service = services.get(engine.server);
    if (service?.unavailable !== undefined) {
      tellMissing(name, service);
      continue;
    }
    it(`${name}: connections that died unseen are given up and made again`, () => diesUnseen(name, engine));
    // A connection that is taken and never answered is no dropped packet; gRPC's client waits for it without limit.
    const drops = name === "temporal" ? it.skip : it;
    drops(`${name}: all goes on after a time in which nothing came through`, () => dropsAll(name, engine));
    it(`${name}: connections that are cut again and again end no process`, ({ expect }) => isCut(name, engine, expect));
    it(`${name}: what is published once more after its answer was lost runs once`, ({ expect }) =>
      losesAnswers(name, engine, expect));
  }

  const server = services.get("redis");
  if (server?.unavailable !== undefined) tellMissing("the Redis store", server);
  const redis = server?.settings?.REDIS_URL;
  const define = redis === undefined ? it.skip : it;
  define("the Redis store: reads, waits and notices go on", async ({ expect }) => {
    const network = await between(redis ?? "");
    const prefix = `network:${run}:`;
    const store = redisStore({ url: network.address, prefix });
    const other = redisStore({ url: redis ?? "", prefix });
    const broker = withStore(memory(), store);
    const task = boost({ queue: "network.store", broker, params: ["n"], rpc: true, filter: true }, (n: number) => n);
    await task.consume();
    expect(await (await task.push(1)).waitResult()).toBe(1);
    let isHeard = false;
    await store.subscribe("network", () => void (isHeard = true));
    network.silence();
    const soon = soonOn("bullmq");
    const reading = insist(() => store.get(["nothing"]));
    const hearing = vi.waitUntil(() => other.notify("network", "hello").then(() => isHeard), soon);
    expect(await (await task.push(2)).waitResult({ timeout: soon.timeout })).toBe(2);
    await Promise.all([reading, hearing]);
    await other.close();
  });
});
