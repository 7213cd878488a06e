/** The broker's server is down when a user publishes, and when a worker consumes. On a real Redis that is stopped and started. */
import { spawnSync } from "node:child_process";
import { boost, configure, type Logger, PublishError, shutdown } from "funboost";
import { bullmq } from "funboost/adapters/bullmq";
import { afterEach, describe, expect, it } from "vitest";
import { startRedis } from "./support/services.ts";

const installed = spawnSync("redis-server", ["--version"]).status === 0;
if (!installed && process.env.REQUIRED_SERVICES?.includes("redis")) throw new Error("REQUIRED_SERVICES names redis, and redis-server is not installed");

const lines: { level: string; text: string; error?: unknown }[] = [];
const line = (level: string) => (fields: object, text: string) => void lines.push({ level, text, ...fields });
const logger: Logger = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
const said = (text: RegExp) => lines.filter((each) => text.test(each.text));

let stop = async () => {};
afterEach(async () => {
  await shutdown({ grace: 100 }).catch(() => {});
  await stop();
  lines.length = 0;
});

async function redis(port?: number) {
  const server = await startRedis(port);
  stop = () => server.stop();
  return { port: server.port, broker: () => bullmq({ url: `redis://127.0.0.1:${server.port}` }) };
}

describe.skipIf(!installed)(`broker down${installed ? "" : " (skipped: redis-server is not installed)"}`, () => {
  it("at publish: rejects within publishTimeout, says which ids were accepted, and sends nothing later", { timeout: 30_000 }, async () => {
    configure({ log: { logger } });
    const { port, broker } = await redis();
    const task = boost({ queue: "down.publish", broker: broker(), publishTimeout: "1s", params: ["n"] }, (n: number) => n);
    const handle = await task.push(1);
    await stop();
    const started = performance.now();
    const error = await task.publishMany([{ args: [2] }, { args: [3], taskId: "three" }]).catch((each: unknown) => each);
    expect(performance.now() - started).toBeLessThan(2_500);
    expect(error).toBeInstanceOf(PublishError);
    expect(error).toMatchObject({ code: "PUBLISH_FAILED", accepted: [] });
    expect((error as Error).message).toMatch(/\[bullmq\] queue "down.publish": 2 messages were not confirmed. None is known to be accepted/);
    expect((error as Error).message).toContain(`127.0.0.1:${port}`);
    expect(handle.id).toBeTruthy();
    await redis(port);
    await expect
      .poll(
        () =>
          task.push(4).then(
            () => "accepted",
            () => "refused",
          ),
        { timeout: 15_000 },
      )
      .toBe("accepted");
    expect(await task.count()).toBe(1);
  });

  it("at consume: says so once, keeps trying, and works when the server is there", { timeout: 30_000 }, async () => {
    configure({ log: { logger } });
    const { port, broker } = await redis();
    await stop();
    const ran: number[] = [];
    const task = boost({ queue: "down.consume", broker: broker(), params: ["n"] }, (n: number) => void ran.push(n));
    const consuming = task.consume();
    await expect.poll(() => said(/trouble with the broker/).length, { timeout: 10_000 }).toBe(1);
    await redis(port);
    const consumer = await consuming;
    await task.push(1);
    await expect.poll(() => ran, { timeout: 10_000 }).toEqual([1]);
    expect(said(/trouble with the broker/)).toHaveLength(1);
    expect(said(/works again/)).toHaveLength(1);
    await consumer.close();
  });

  it("in mid-work: what runs ends, and the rest goes on by itself", { timeout: 40_000 }, async () => {
    configure({ log: { logger }, lease: "1s" });
    const { port, broker } = await redis();
    const ran: number[] = [];
    const task = boost({ queue: "down.midway", broker: broker(), params: ["n"], concurrency: 1 }, (n: number) => void ran.push(n));
    await task.consume();
    await task.push(1);
    await expect.poll(() => ran, { timeout: 5_000 }).toEqual([1]);
    await stop();
    await redis(port);
    await expect
      .poll(
        () =>
          task.push(2).then(
            () => true,
            () => false,
          ),
        { timeout: 15_000 },
      )
      .toBe(true);
    await expect.poll(() => ran.includes(2), { timeout: 15_000 }).toBe(true);
  });
});
