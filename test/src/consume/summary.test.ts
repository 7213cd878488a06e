/** What a log says while tasks run: the level of each event, and the line a minute. */
import { boost, configure, FatalError, shutdown, type TaskParams, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import type { Logger } from "../../../src/base/log.ts";
import { durationText } from "../../../src/consume/summary.ts";
import type { Broker } from "../../../src/contract/index.ts";
import { gate } from "../../conformance/until.ts";
import { quickClock } from "../../support/quick-clock.ts";

type Line = { readonly level: string; readonly text: string; readonly fields: Record<string, unknown> };
let lines: Line[] = [];
const write = (level: string) => (fields: object, text: string) =>
  void lines.push({ level, text, fields: fields as Line["fields"] });
const logger: Logger = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };

configure({ signals: false, log: { logger } });

let aheadMs = 0;
beforeEach(() => {
  lines = [];
  aheadMs = 0;
  const often = (ms: number) => Math.min(ms, 20); // all that is repeated
  setClock(quickClock(often, { now: () => Date.now() + aheadMs, monotonic: () => performance.now() + aheadMs }));
});
afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

let made = 0;

function task(fn: (n: number) => unknown, params: Partial<TaskParams> = {}, broker: Broker = memory()) {
  return boost({ broker, maxRetries: 0, ...params, queue: `summary.${++made}` }, (n: number) => fn(n));
}

const said = () => lines.map(({ level, text }) => `${level} ${text}`);
const summaries = () => lines.filter(({ text }) => /runs\/s|nothing starts|no run/.test(text));
const texts = () => summaries().map(({ text }) => text);
const minute = () => void (aheadMs += 60_000);
/** Time for what is done again and again: a condition cannot show that a line does not come. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 300));

describe("the level", () => {
  it("of a retry is info, of a final failure and a bad message a warning", async () => {
    const job = task(
      (n) => {
        throw n === 1 ? new Error("no") : new FatalError("never");
      },
      { maxRetries: 1, backoff: 0 },
    );
    await job.consume();
    await job.push(1);
    await job.push(2);
    await job.publishRaw("[1, 2, 3]");
    await expect
      .poll(() => said().sort())
      .toEqual([
        "info task failed, will retry",
        "warn bad message, moved to the dead-letter queue",
        "warn task failed for good",
        "warn task failed for good",
      ]);
  });

  it("of trouble with the engine is an error, said once, and info when it is over", async () => {
    const broker = wrapBroker(memory(), (inner) => ({
      consume(handler, options) {
        for (let i = 0; i < 3; i++) options.onError(new Error("no connection"));
        return inner.consume(handler, options);
      },
    }));
    const job = task(() => {}, {}, broker);
    await job.consume();
    await job.push(1);
    await expect
      .poll(said)
      .toEqual(["error trouble with the broker; trying again until it works", "info the broker works again"]);
  });

  it("of a run that goes on after its timeout is a warning", async () => {
    const door = gate();
    const job = task(() => door.opened, { timeout: 10 });
    await job.consume();
    await job.push(1);
    await expect
      .poll(said)
      .toContain("warn a run goes on 5 s after its timeout: its function should look at fct.signal");
    door.open();
  });
});

describe("the line a minute", () => {
  it("tells how fast, what failed, and how long it will take", async () => {
    const door = gate();
    const job = task(
      async (n) => {
        if (n === 1) throw new Error("no");
        if (n === 2) throw new FatalError("never");
        if (n === 100) await door.opened;
      },
      { concurrency: 1, maxRetries: 1, backoff: 0 },
    );
    await job.consume();
    await job.pushMany([...Array.from({ length: 11 }, (_, n) => [n] as [number]), [100], [101], [102]]);
    await expect.poll(async () => (await job.info()).ran, { timeout: 5_000 }).toBe(11);
    minute();
    await expect.poll(summaries, { timeout: 5_000 }).toHaveLength(1);
    expect(summaries()[0]?.fields).toEqual({
      queue: job.queue,
      ran: 11,
      failed: 1,
      retried: 1,
      running: 1,
      waiting: 3,
      delayed: 0,
    });
    expect(summaries()[0]).toMatchObject({
      level: "info",
      text: expect.stringMatching(/^0\.1\d runs\/s, \d+ s left$/),
    });
    minute();
    await expect.poll(texts, { timeout: 5_000 }).toHaveLength(2);
    expect(texts()[1]).toBe("no run has ended in the last minute");
    door.open();
  });

  it("tells once what holds it, and nothing when nothing happens", async () => {
    const job = task(() => {});
    await job.consume();
    minute();
    await aWhile();
    await job.pause();
    await job.push(1);
    await expect.poll(() => job.paused()).toBe(true);
    await aWhile();
    minute();
    await expect.poll(texts, { timeout: 5_000 }).toEqual(["nothing starts: paused, for 1 min"]);
    minute();
    await aWhile();
    expect(texts()).toHaveLength(1);
    await job.resume();
    await expect.poll(async () => (await job.info()).ran, { timeout: 5_000 }).toBe(1);
    minute();
    await expect.poll(texts, { timeout: 5_000 }).toHaveLength(2);
    minute();
    await aWhile();
    expect(texts()[1]).toMatch(/^0\.0\d+ runs\/s$/);
    expect(texts()).toHaveLength(2);
  });

  it("comes without a store too", async () => {
    const { store: _, ...bare } = memory();
    const job = task(() => {}, {}, bare);
    await job.consume();
    await job.pushMany([[1], [2], [3]]);
    await expect.poll(async () => (await job.counts()).running === 0 && (await job.count()) === 0).toBe(true);
    minute();
    await expect.poll(summaries, { timeout: 5_000 }).toMatchObject([{ fields: { ran: 3, failed: 0, waiting: 0 } }]);
  });

  it.each([{ summary: false }, { level: "warn" as const }])("can be switched off: %o", async (log) => {
    const job = task(() => {}, { log });
    const other = task(() => {});
    for (const each of [job, other]) {
      await each.consume();
      await each.push(1);
      await expect.poll(async () => (await each.info()).ran, { timeout: 5_000 }).toBe(1);
    }
    minute();
    await expect.poll(() => summaries().map(({ fields }) => fields.queue), { timeout: 5_000 }).toEqual([other.queue]);
    await aWhile();
    expect(summaries()).toHaveLength(1);
  });

  it.each([
    [400, "less than a second"],
    [2_000, "2 s"],
    [119_000, "1 min 59 s"],
    [120_000, "2 min"],
    [7_500_000, "2 h 5 min"],
    [90_000_000, "1 d 1 h"],
  ])("writes %d ms as %s", (ms, written) => {
    expect(durationText(ms)).toBe(written);
  });
});
