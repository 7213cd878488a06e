/** configure(): what it refuses, and what then holds for every copy of the package. */
import { configure } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createLogger, type Logger } from "../../../src/base/log.ts";
import { catalog } from "../../../src/setup/catalog.ts";
import { configuration } from "../../../src/setup/configure.ts";

const loose = configure as (configuration: unknown) => void;
const { brokers } = catalog();

afterEach(() => {
  catalog().brokers = brokers;
  configure({});
});

describe("configure() refuses", () => {
  it.each([
    ["no object", null, /takes an object, got null/],
    ["a list", [], /takes an object, got an array/],
    ["an unknown name, with the nearest", { broker: {} }, /"broker".*Did you mean "brokers"\?.*defaults/],
    ["a log level", { log: "loud" }, /"log" is "loud".*"debug", "info".*false/],
    ["a log of true", { log: true }, /"log" is true/],
    ["a level inside", { log: { level: "loud" } }, /"log\.level" is "loud".*"debug"/],
    ["a logger without methods", { log: { logger: { info() {} } } }, /"log\.logger".*debug, info, warn and error/],
    ["a filter that is no function", { log: { filter: "mail" } }, /"log\.filter" is "mail".*a function/],
    ["a summary that is no switch", { log: { summary: "1m" } }, /"log\.summary" is "1m".*true or false/],
    ["an unknown log option", { log: { levle: "info" } }, /"log\.levle".*level, logger/],
    ["brokers that are a text", { brokers: "bullmq" }, /"brokers" is "bullmq".*\{ bullmq: \{ url \} \}/],
    ["brokers that are a list", { brokers: [memory()] }, /"brokers" is an array of 1/],
    ["options of a broker that are no object", { brokers: { bullmq: 6379 } }, /"brokers\.bullmq" is 6379.*\{ url \}/],
    [
      "a broker it does not know, with the nearest",
      { brokers: { bulmq: {} } },
      /"brokers\.bulmq".*Did you mean "bullmq"\?.*bullmq, memory, sqlite/,
    ],
    ["signals", { signals: "SIGTERM" }, /"signals" is "SIGTERM".*true or false/],
    ["a store's factory", { store: memoryStore }, /"store" is function memoryStore.*redisStore\(\{ url \}\)/],
    [
      "a client as the store",
      { store: { get() {}, set() {}, timers: {} } },
      /"store" is an object.*it lacks delete, .*timers\.add/,
    ],
    ["a zone", { timezone: "Mars/Base" }, /"timezone" is "Mars\/Base".*"Europe\/Berlin"/],
    ["all when one is wrong", { timezone: "UTC", log: "warn", signals: 1 }, /"signals" is 1/],
    ["a zone that is no text", { timezone: ["UTC"] }, /"timezone" is an array of 1/],
    ["defaults", { defaults: { concurrency: 0 } }, /"concurrency" is 0/],
    ["a lease too short", { lease: 100 }, /lease.*200 ms.*100/],
  ])("%s", (_, given, text) => {
    expect(() => loose(given)).toThrow(text);
    expect(configuration()).toEqual({});
  });

  it.each([{ brokers: { bullmq: "redis://u:secret@host" } }, { store: "redis://u:secret@host" }])(
    "without saying a secret: %#",
    (given) => {
      expect(() => loose(given)).toThrow(/redis:\/\/\*\*\*@host/);
    },
  );
});

describe("configure() takes", () => {
  it("brokers of any name where there is no catalog", () => {
    catalog().brokers = {};
    configure({ brokers: { mine: { url: "x" } } as object });
    expect(configuration()).toEqual({ brokers: { mine: { url: "x" } } });
  });

  it("a store, brokers and signals", () => {
    const store = memoryStore();
    configure({ store, brokers: { memory: {} }, signals: false });
    expect(configuration()).toEqual({ store, brokers: { memory: {} }, signals: false });
    expect(configuration().store).toBe(store);
  });

  it("the log as a task does: a level, false, or options", () => {
    const lines: string[] = [];
    const write = (_: object, text: string) => void lines.push(text);
    const logger: Logger = { debug: write, info: write, warn: write, error: write };
    const levels = (log: Parameters<typeof configure>[0]["log"]) => {
      lines.length = 0;
      configure(log === undefined ? {} : { log });
      const made = createLogger({ ...configuration().log, logger });
      for (const level of ["debug", "info", "warn", "error"] as const) made[level]({}, level);
      return lines.join(" ");
    };
    expect(levels("warn")).toBe("warn error");
    expect(levels(false)).toBe("");
    expect(levels({ level: "debug" })).toBe("debug info warn error");
    expect(levels(undefined)).toBe("info warn error");
  });

  it("a zone that holds in every copy of the package", async () => {
    vi.resetModules();
    const copy = await import("../../../src/wire/time-text.ts");
    const summer = Date.UTC(2026, 6, 1, 12);
    configure({ timezone: "Asia/Shanghai" });
    expect(copy.formatTime(summer)).toBe("2026-07-01 20:00:00");
    expect(copy.parseTime("2026-07-01 20:00:00")).toBe(summer);
    configure({ timezone: "UTC" });
    expect(copy.formatTime(summer)).toBe("2026-07-01 12:00:00");
  });
});
