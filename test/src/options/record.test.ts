/** The option `record`, and `onRecord`. */
import { boost, configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { checkRecord, resolveRecord } from "../../../src/options/record.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

describe("record", () => {
  it("is off, on with what it says, or what is given", () => {
    expect(resolveRecord(undefined)).toBeUndefined();
    expect(resolveRecord(false)).toBeUndefined();
    expect(resolveRecord(true)).toEqual({ ttlMs: 7 * 86_400_000, results: true, running: false, args: false });
    expect(resolveRecord({ ttl: "1h", results: false, args: true })).toEqual({
      ttlMs: 3_600_000,
      results: false,
      running: false,
      args: true,
    });
  });

  it("refuses what it does not know, by its path", () => {
    expect(() => checkRecord({ ttl: 0 }, "record")).toThrow(/"record.ttl" is 0/);
    expect(() => checkRecord({ result: true }, "record")).toThrow(
      /unknown option "record.result". Did you mean "results"/,
    );
    expect(() => checkRecord("yes", "record")).toThrow(/"record" is "yes". Allowed: true, false, or/);
  });
});

describe("onRecord", () => {
  it("gets each row before the task is over, and its errors touch nothing", async () => {
    const rows: unknown[] = [];
    const said: string[] = [];
    const say = (level: string) => (_: object, text: string) => void said.push(`${level}: ${text}`);
    const task = boost(
      {
        queue: "rows",
        broker: memory(),
        rpc: true,
        maxRetries: 0,
        log: {
          level: "debug",
          logger: { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") },
        },
        onRecord: (row) => {
          rows.push([row.args, row.status, row.result]);
          throw new Error("the table is locked");
        },
      },
      (n: number) => n * 2,
    );
    await task.consume();
    expect(await (await task.push(4)).waitResult()).toBe(8);
    await expect.poll(() => rows).toEqual([["[4]", "done", 8]]);
    expect(said).toEqual(["warn: onRecord threw; this row is not written"]);
    await expect.poll(() => task.count()).toBe(0);
  });
});
