/** Connections that die without a word: packets are dropped, and neither side is told. On every engine and on the Redis store, side by side. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boost, configure, publisher, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { redisStore } from "funboost/stores/redis";
import { afterAll, describe, it, vi } from "vitest";
import { sleep } from "../../src/base/clock.ts";
import { stopwatch } from "../conformance/machine.ts";
import { chosenEngines, create, type Engine, type EngineName } from "../support/engines.ts";
import { proxy, type ServerProxy } from "../support/services/proxy.ts";
import type { ServerName } from "../support/services/server.ts";
import { type RunningService, serviceFor } from "../support/services.ts";
import { withStore } from "../support/with-store.ts";

/** From the silence on, or from its end where it took all: until a new connection has done what was asked. */
const withinMs = 10_000;
/** Of a machine that is shared. */
const slackMs = 5_000;
const blackoutMs = 12_000;

const folder = mkdtempSync(join(tmpdir(), "funboost-silent-"));
const chosen = chosenEngines();
const services = new Map<ServerName, RunningService>();
for (const server of new Set(chosen.map(([, { server }]) => server)))
  services.set(server, await serviceFor(server, { direct: true }));
const proxies: ServerProxy[] = [];
configure({ signals: false, log: { level: "silent" } });

afterAll(async () => {
  await shutdown({ grace: 100 }).catch(() => {});
  await Promise.all([...proxies.map((each) => each.close()), ...[...services.values()].map((each) => each.stop())]);
  rmSync(folder, { recursive: true, force: true });
});

const addressOf = ({ server, variable }: Engine): string => services.get(server)?.settings?.[variable] ?? "";

async function between(address: string): Promise<ServerProxy> {
  const it = (await proxy(address)) as ServerProxy;
  proxies.push(it);
  return it;
}

/** Servers may be kept from run to run. */
const run = `${process.pid}${Date.now().toString(36)}`;
let files = 0;
const brokerAt = (engine: EngineName, { variable }: Engine, address: string) =>
  create({ engine, [variable]: address, storeFile: join(folder, `${files++}.db`) });

/** Again and again, as a caller would; what it answers is whether it was done at all. */
async function insist(work: () => Promise<unknown>): Promise<void> {
  while (
    !(await work().then(
      () => true,
      () => false,
    ))
  )
    await sleep(200);
}

const soon = { timeout: withinMs + slackMs, interval: 50 };

/** Published past the silence, and pushed into it: all of them run. */
async function comesBack(
  name: EngineName,
  engine: Engine,
  takeAway: (network: ServerProxy) => Promise<void>,
): Promise<void> {
  const network = await between(addressOf(engine));
  const queue = `silent.${name}.${run}.${files}`;
  const ran = new Set<number>();
  const task = boost(
    { queue, broker: brokerAt(name, engine, network.address), params: ["n"] },
    (n: number) => void ran.add(n),
  );
  const beside = publisher<typeof task>({ queue, broker: brokerAt(name, engine, addressOf(engine)), params: ["n"] });
  await task.consume();
  await task.push(0);
  await vi.waitUntil(() => ran.size === 1, soon);
  await takeAway(network);
  await beside.pushMany(Array.from({ length: 8 }, (_, i) => [i + 1]));
  const pushing = insist(() => task.push(9));
  await vi.waitUntil(() => ran.size === 10, soon);
  await pushing;
  // What tells of new messages is there again too, or they would wait for a look, which comes each two seconds.
  const isTold = async () => {
    const n = ran.size;
    await sleep(300);
    await beside.push(n);
    const ranMs = stopwatch();
    await vi.waitUntil(() => ran.has(n), soon);
    return ranMs() < 1_000;
  };
  await vi.waitUntil(isTold, soon);
}

describe.concurrent("a silent network", { timeout: 60_000 }, () => {
  for (const [name, engine] of chosen) {
    const why = services.get(engine.server)?.unavailable;
    const define = why === undefined ? it : it.skip;
    const suffix = why === undefined ? "" : `: ${why}`;

    define(`${name}: connections that died unseen are given up and made again${suffix}`, () =>
      comesBack(name, engine, async (network) => network.silence()),
    );

    define(`${name}: all goes on when the network is back${suffix}`, () =>
      comesBack(name, engine, async (network) => {
        network.silence({ all: true });
        await sleep(blackoutMs);
        network.restore();
      }),
    );
  }

  const redis = services.get("redis");
  const define = redis?.settings ? it : it.skip;
  define("the Redis store: reads, waits and notices go on", async ({ expect }) => {
    const network = await between(redis?.settings?.REDIS_URL ?? "");
    const prefix = `silent:${run}:`;
    const store = redisStore({ url: network.address, prefix });
    const other = redisStore({ url: redis?.settings?.REDIS_URL ?? "", prefix });
    const broker = withStore(memory(), store);
    const task = boost({ queue: "silent.store", broker, params: ["n"], rpc: true, filter: true }, (n: number) => n);
    await task.consume();
    expect(await (await task.push(1)).waitResult()).toBe(1);
    const heard: string[] = [];
    await store.subscribe("silent", (text) => void heard.push(text));
    network.silence();
    const reading = insist(() => store.get(["nothing"]));
    const hearing = vi.waitUntil(async () => {
      await other.notify("silent", "hello");
      return heard.length > 0;
    }, soon);
    const handle = await task.push(2);
    expect(await handle.waitResult({ timeout: withinMs + slackMs })).toBe(2);
    await Promise.all([reading, hearing]);
    await other.close();
  });
});
