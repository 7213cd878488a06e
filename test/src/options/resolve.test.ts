/** Options in force: defaults, and what comes of what is given. */
import { describe, expect, test } from "vitest";
import { resolveOptions } from "../../../src/options/resolve.ts";

describe("resolveOptions", () => {
  test("the defaults", () => {
    expect(resolveOptions({ queue: "q" }, {})).toEqual({
      queue: "q",
      broker: "sqlite",
      adopt: false,
      brokerOptions: {},
      concurrency: 50,
      pool: undefined,
      prefetch: undefined,
      limits: undefined,
      qpsScope: "process",
      maxRetries: 3,
      maxRequeues: 100,
      backoff: { type: "exponential", baseMs: 1000, factor: 2, capMs: 60_000, jitter: true },
      deadLetter: undefined,
      timeoutMs: undefined,
      expireAfterMs: undefined,
      filter: undefined,
      rpc: undefined,
      record: undefined,
      onRecord: undefined,
      input: undefined,
      output: undefined,
      use: [],
      usePublish: [],
      errors: [],
      publishTimeoutMs: 10_000,
      maxSuspended: 1000,
      maxCrashes: 5,
      log: undefined,
      convert: undefined,
    });
  });

  test("what is given wins over shared defaults, these over ours; undefined is not given", () => {
    const options = resolveOptions(
      { queue: "q", maxRetries: 0, broker: undefined as never },
      { maxRetries: 9, broker: "memory", timeout: "1m" },
    );
    expect(options).toMatchObject({ maxRetries: 0, broker: "memory", timeoutMs: 60_000 });
  });

  test("a default is switched off by 0 or false", () => {
    const defaults = { timeout: "1m", expireAfter: "1h", rpc: true, deadLetter: true } as const;
    expect(
      resolveOptions({ queue: "q", timeout: 0, expireAfter: 0, rpc: false, deadLetter: false }, defaults),
    ).toMatchObject({
      timeoutMs: undefined,
      expireAfterMs: undefined,
      deadLetter: undefined,
    });
  });

  test("concurrency is 500 with qps", () => {
    expect(resolveOptions({ queue: "q", qps: 5 }, {}).concurrency).toBe(500);
    expect(resolveOptions({ queue: "q" }, { qps: 5 }).concurrency).toBe(500);
    expect(resolveOptions({ queue: "q", qps: 5, concurrency: 2 }, {}).concurrency).toBe(2);
  });

  test("deadLetter, rpc and log in their short forms", () => {
    expect(resolveOptions({ queue: "q", deadLetter: true, rpc: true, log: false }, {})).toMatchObject({
      deadLetter: "q_dlx",
      rpc: { ttlMs: 1_800_000, timeoutMs: 1_800_000 },
      log: { level: "silent" },
    });
    expect(resolveOptions({ queue: "q", deadLetter: "morgue", rpc: { ttl: "1h" }, log: "debug" }, {})).toMatchObject({
      deadLetter: "morgue",
      rpc: { ttlMs: 3_600_000, timeoutMs: 1_800_000 },
      log: { level: "debug" },
    });
    expect(resolveOptions({ queue: "q", log: "debug" }, { log: { bodies: true, level: "warn" } }).log).toEqual({
      level: "debug",
      bodies: true,
    });
  });
});
