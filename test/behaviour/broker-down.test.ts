/** Each engine's server is down, or refuses us, when a user publishes and when a worker consumes. On real servers that are stopped and started. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { boost, configure, type Logger, PublishError, shutdown } from "funboost";
import { Redis } from "ioredis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { stopwatch } from "../conformance/machine.ts";
import { chosenEngines, create, type Engine, type EngineName } from "../support/engines.ts";
import type { ServerName } from "../support/services/server.ts";
import { type PrivateService, startPrivate } from "../support/services.ts";
import { tellMissing } from "../support/tell-missing.ts";

const lines: { level: string; text: string; error?: Error }[] = [];
const line = (level: string) => (fields: object, text: string) => void lines.push({ level, text, ...fields });
const logger: Logger = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
const said = (text: RegExp) => lines.filter((each) => text.test(each.text));

const folder = mkdtempSync(join(tmpdir(), "funboost-down-"));
const services: PrivateService[] = [];
afterEach(async () => {
  await shutdown({ grace: 100 }).catch(() => {});
  await Promise.all(services.splice(0).map((service) => service.stop()));
  lines.length = 0;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;

async function server({ server: name }: Engine): Promise<PrivateService> {
  const service = await startPrivate(name, { durable: true });
  services.push(service);
  return service;
}

/** A broker of this engine at the server's address, or at another. */
function brokerAt(
  name: EngineName,
  { variable }: Engine,
  service: PrivateService,
  change: (url: string) => string = (url) => url,
) {
  const url = change(service.settings?.[variable] ?? "");
  return create({ engine: name, [variable]: url, storeFile: join(folder, `${count++}.db`) });
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: Error & { code?: string; accepted?: unknown }) => error,
  );

/** Whoever reads the log learns which engine it is, where it should be, and what to do. */
function saysAll(text: string | undefined, engine: string, port: number): void {
  expect(text).toContain(`[${engine}]`);
  expect(text).toContain(`:${port}`);
  expect(text).toMatch(/Is it|Is the|Start|start it|Check|check/);
}

async function killed(service: PrivateService): Promise<void> {
  await service.kill();
}

/** Makes a server ask for this password; answers the address that has it. */
const locks: Partial<Record<ServerName, (url: string, password: string) => Promise<string>>> = {
  async redis(url, password) {
    const client = new Redis(url);
    await client.config("SET", "requirepass", password);
    client.disconnect();
    return url.replace("redis://", `redis://:${password}@`);
  },
  async postgres(url, password) {
    const ask = (sql: string) => promisify(execFile)("psql", [url, "-Atc", sql]).then(({ stdout }) => stdout.trim());
    await ask(`ALTER USER postgres PASSWORD '${password}'`);
    await ask(`COPY (SELECT 'host all all 127.0.0.1/32 scram-sha-256') TO '${await ask("SHOW hba_file")}'`);
    await ask("SELECT pg_reload_conf()");
    return url.replace("postgres@", `postgres:${password}@`);
  },
};

const accepts = (push: () => Promise<unknown>) =>
  expect.poll(() => failure(push()), { timeout: 20_000, interval: 200 }).toBeUndefined();

for (const [name, engine] of chosenEngines()) {
  const probe = await startPrivate(engine.server);
  await probe.stop();
  if (probe.unavailable !== undefined) {
    tellMissing(name, probe);
    continue;
  }

  describe(`${name} down`, { timeout: 60_000 }, () => {
    it("at publish: rejects within publishTimeout, says which ids were accepted, and sends nothing later", async () => {
      configure({ log: { logger } });
      const service = await server(engine);
      const broker = brokerAt(name, engine, service);
      const task = boost({ queue: "down.publish", broker, publishTimeout: "3s", params: ["n"] }, (n: number) => n);
      await task.push(1);
      await killed(service);
      const ranMs = stopwatch();
      const error = await failure(task.publishMany([{ args: [2] }, { args: [3], taskId: "three" }]));
      expect(ranMs()).toBeLessThan(4_500);
      expect(error).toBeInstanceOf(PublishError);
      expect(error).toMatchObject({ code: "PUBLISH_FAILED", accepted: [] });
      expect(error?.message).toContain(
        `[${broker.name}] queue "down.publish": 2 messages were not confirmed. None is known to be accepted`,
      );
      expect(error?.message).toContain(`:${service.port}`);
      await service.restart();
      await accepts(() => task.publish([4], { taskId: "four" })); // under an id: one that is confirmed too late is tried again
      expect(await task.count()).toBe(2);
    });

    it("from the start: a publish says within 10 s where it looked and what to do, and works when the server is there", async () => {
      configure({ log: { logger } });
      const service = await server(engine);
      await killed(service);
      const broker = brokerAt(name, engine, service);
      const task = boost({ queue: "down.start", broker, params: ["n"] }, (n: number) => n);
      const ranMs = stopwatch();
      const error = await failure(task.push(1));
      expect(ranMs()).toBeLessThan(11_000);
      expect(error).toMatchObject({ code: "PUBLISH_FAILED", accepted: [], cause: { code: "BROKER_DOWN" } });
      saysAll(error?.message, broker.name, service.port);
      await service.restart();
      await accepts(() => task.push(2));
    });

    it("at consume: says so once, keeps trying, and works when the server is there", async () => {
      configure({ log: { logger } });
      const service = await server(engine);
      await killed(service);
      const ran: number[] = [];
      const broker = brokerAt(name, engine, service);
      const task = boost({ queue: "down.consume", broker, params: ["n"] }, (n: number) => void ran.push(n));
      const consuming = task.consume();
      consuming.catch(() => {}); // awaited below, unless the test has failed before
      await expect.poll(() => said(/trouble with the broker/).length, { timeout: 15_000 }).toBe(1);
      saysAll(said(/trouble/)[0]?.error?.message, broker.name, service.port);
      await service.restart();
      const consumer = await consuming;
      await accepts(() => task.push(1));
      await expect.poll(() => ran.includes(1), { timeout: 15_000 }).toBe(true);
      expect(said(/trouble with the broker/)).toHaveLength(1);
      expect(said(/works again/)).toHaveLength(1);
      await consumer.close();
    });

    it("in mid-work: said once, and the rest goes on by itself", async () => {
      configure({ log: { logger }, lease: "2s" });
      const service = await server(engine);
      const ran: number[] = [];
      const broker = brokerAt(name, engine, service);
      const task = boost(
        { queue: "down.midway", broker, params: ["n"], concurrency: 1 },
        (n: number) => void ran.push(n),
      );
      await task.consume();
      await task.push(1);
      await expect.poll(() => ran, { timeout: 10_000 }).toEqual([1]);
      await killed(service);
      await expect.poll(() => said(/trouble with the broker/).length, { timeout: 15_000 }).toBe(1);
      await service.restart();
      await accepts(() => task.push(2));
      await expect.poll(() => ran.includes(2), { timeout: 20_000 }).toBe(true);
      expect(said(/trouble with the broker/)).toHaveLength(1);
    });
  });

  const lock = locks[engine.server];
  it.skipIf(!lock)(
    `${name} refuses a wrong password: said at once, without the password`,
    { timeout: 30_000 },
    async () => {
      configure({ log: { logger } });
      const service = await server(engine);
      const right = await lock?.(service.settings?.[engine.variable] ?? "", "correct-horse");
      const wrong = (url: string) => (right ?? url).replace("correct-horse", "battery-staple");
      for (const work of ["push", "consume"] as const) {
        const broker = brokerAt(name, engine, service, wrong);
        const task = boost({ queue: `refused.${work}`, broker, params: ["n"] }, (n: number) => n);
        const ranMs = stopwatch();
        const error = await failure(work === "push" ? task.push(1) : task.consume());
        expect(ranMs()).toBeLessThan(5_000);
        expect(error).toMatchObject({ code: "BROKER_REFUSED" });
        saysAll(error?.message, broker.name, service.port);
        expect(everything(error)).not.toMatch(/battery-staple|correct-horse/);
      }
      const task = boost(
        { queue: "taken", broker: brokerAt(name, engine, service, () => right ?? ""), params: ["n"] },
        (n: number) => n,
      );
      await task.push(1);
    },
  );
}

/** Message, stack and fields, down through the causes. */
function everything(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.message}\n${error.stack}\n${JSON.stringify(error)}\n${error.cause === undefined ? "" : everything(error.cause)}`;
}
