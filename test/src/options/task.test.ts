/** Options: defaults, what comes of them, and what each refusal says. */
import { describe, expect, expectTypeOf, test } from "vitest";
import { type PublishOptions, resolvePublish } from "../../../src/options/publish.ts";
import { resolveOptions } from "../../../src/options/resolve.ts";
import type { TaskParams } from "../../../src/options/task.ts";
import { checkDefaults, checkParams } from "../../../src/options/task-checks.ts";

class Declined extends Error {}
const names =
  "queue, broker, brokerOptions, concurrency, pool, prefetch, qps, qpsScope, maxRetries, maxRequeues, backoff, deadLetter, timeout, expireAfter, filter, rpc, record, onRecord, input, output, use, usePublish, errors, params, convert, log, publishTimeout, maxSuspended, maxCrashes";

describe("checkParams", () => {
  test("takes each option at its limits", () => {
    const params: TaskParams[] = [
      { queue: "q" },
      {
        queue: "über.q:1",
        broker: "bullmq",
        brokerOptions: { prefix: "x" },
        concurrency: 1,
        prefetch: 0,
        qps: 0.01,
        maxRetries: 0,
        maxRequeues: 0,
        backoff: 0,
      },
      {
        queue: "q",
        broker: { name: "x", features: {}, open: () => Promise.reject(new Error()), close: async () => {} } as never,
        concurrency: 100_000,
        qps: 100_000,
        deadLetter: "dead",
        timeout: 0,
        expireAfter: "1d",
      },
      {
        queue: "q",
        rpc: true,
        errors: [Declined, TypeError],
        params: [],
        convert: () => [1],
        log: false,
        publishTimeout: 1,
        maxSuspended: 1,
        maxCrashes: 1,
      },
      {
        queue: "q",
        rpc: { ttl: "1h" },
        params: "object",
        log: { level: "debug", bodies: true, logger: console as never },
        backoff: { base: "1s" },
        deadLetter: true,
      },
    ];
    for (const each of params) expect(() => checkParams(each)).not.toThrow();
    expect(() => checkParams({ queue: "q", qps: undefined, timeout: undefined })).not.toThrow();
  });

  test.each<[unknown, string]>([
    [undefined, '[funboost] the params are undefined. Allowed: an object such as { queue: "emails" }.'],
    ["emails", '[funboost] the params are "emails".'],
    [[], "[funboost] the params are an array of 0."],
    [{}, '[funboost] "queue" is missing. Give the queue\'s name: boost({ queue: "emails" }, fn).'],
    [{ queue: "" }, '[funboost] "queue" is "". Allowed: a text of 1 to 190 characters.'],
    [{ queue: "  " }, '"queue" is "  ".'],
    [{ queue: 5 }, '"queue" is 5.'],
    [
      { queue: "q", maxRetry: 3 },
      `[funboost] [q] unknown option "maxRetry". Did you mean "maxRetries"? Allowed: ${names}.`,
    ],
    [{ queue: "q", max_retries: 3 }, 'Did you mean "maxRetries"?'],
    [{ queue: "q", Concurrency: 3 }, 'Did you mean "concurrency"?'],
    [{ queue: "q", concurrent_num: 3 }, 'unknown option "concurrent_num". Did you mean "concurrency"?'],
    [{ queue: "q", function_timeout: 3 }, 'Did you mean "timeout"?'],
    [{ queue: "q", runWindow: true }, `unknown option "runWindow". Allowed: ${names}.`],
    [{ queue: "q", toString: 1 }, 'unknown option "toString"'],
    [
      { queue: "q", broker: "" },
      '[funboost] [q] "broker" is "". Allowed: a name such as "memory", "sqlite" or "bullmq", or an instance such as bullmq({ url }).',
    ],
    [{ queue: "q", broker: { url: "redis://a:secret@b" } }, '"broker" is an object. Allowed:'],
    [{ queue: "q", broker: () => {} }, '"broker" is function broker. Allowed:'],
    [{ queue: "q", brokerOptions: [] }, '"brokerOptions" is an array of 0. Allowed: an object.'],
    [{ queue: "q", concurrency: 0 }, '"concurrency" is 0. Allowed: a whole number from 1 to 100000.'],
    [{ queue: "q", concurrency: 1.5 }, '"concurrency" is 1.5.'],
    [{ queue: "q", concurrency: "5" }, '"concurrency" is "5".'],
    [{ queue: "q", prefetch: -1 }, '"prefetch" is -1. Allowed: a whole number from 0 to 100000.'],
    [{ queue: "q", qps: 0 }, '"qps" is 0. Allowed: a number from 0.01 to 100000.'],
    [{ queue: "q", qps: Number.NaN }, '"qps" is NaN.'],
    [
      { queue: "q", maxRetries: Number.POSITIVE_INFINITY },
      '"maxRetries" is Infinity. Allowed: a whole number from 0 to 1000000.',
    ],
    [{ queue: "q", maxRetries: null }, '"maxRetries" is null.'],
    [{ queue: "q", maxRequeues: -1 }, '"maxRequeues" is -1.'],
    [{ queue: "q", backoff: { base: "soon" } }, '[q] "backoff.base" is "soon".'],
    [
      { queue: "q", deadLetter: 1 },
      '"deadLetter" is 1. Allowed: true (<queue>_dlx), a queue\'s name of 1 to 190 characters, or false.',
    ],
    [{ queue: "q", deadLetter: "q" }, '[q] "deadLetter" is "q". Allowed: another queue than the task\'s own.'],
    [
      { queue: "q", timeout: "5 minutes" },
      '[funboost] [q] "timeout" is "5 minutes". Allowed: milliseconds from 0, or a number with a unit',
    ],
    [{ queue: "q", expireAfter: -1 }, '"expireAfter" is -1.'],
    [{ queue: "q", rpc: "yes" }, '"rpc" is "yes". Allowed: true, false, or { ttl: "30m", timeout: "30m" }.'],
    [{ queue: "q", rpc: { tll: 5 } }, 'unknown option "rpc.tll". Did you mean "ttl"? Allowed: ttl, timeout.'],
    [
      { queue: "q", rpc: { ttl: 0 } },
      '"rpc.ttl" is 0. Allowed: a time above 0, such as 500 (milliseconds), "30s" or "5m".',
    ],
    [
      { queue: "q", errors: [Declined, "Declined"] },
      '"errors" is "Declined". Allowed: a list of classes that extend Error.',
    ],
    [{ queue: "q", errors: Declined }, '"errors" is function Declined.'],
    [
      { queue: "q", params: "file" },
      '"params" is "file". Allowed: a list of names such as ["file", "height"], or "object".',
    ],
    [{ queue: "q", params: [1] }, '"params" is an array of 1.'],
    [
      { queue: "q", convert: "json" },
      '"convert" is "json". Allowed: a function from a raw body to the list of arguments.',
    ],
    [
      { queue: "q", log: "loud" },
      '"log" is "loud". Allowed: "debug", "info", "warn", "error" or "silent", false, or { level, logger, bodies, stacks, summary, filter }.',
    ],
    [
      { queue: "q", log: { level: "loud" } },
      '"log.level" is "loud". Allowed: "debug", "info", "warn", "error" or "silent".',
    ],
    [
      { queue: "q", log: { logger: { info() {} } } },
      '"log.logger" is an object. Allowed: an object with the methods debug, info, warn and error.',
    ],
    [{ queue: "q", log: { bodies: 1 } }, '"log.bodies" is 1. Allowed: true or false.'],
    [{ queue: "q", publishTimeout: 0 }, '"publishTimeout" is 0. Allowed: a time above 0'],
    [{ queue: "q", maxSuspended: 0 }, '"maxSuspended" is 0. Allowed: a whole number from 1 to 1000000.'],
    [{ queue: "q", maxCrashes: 0 }, '"maxCrashes" is 0. Allowed: a whole number from 1 to 1000.'],
  ])("refuses %o", (params, message) => {
    expect(() => checkParams(params)).toThrow(message);
    expect(() => checkParams(params)).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
  });
});

test("checkDefaults takes all options but the queue", () => {
  expect(() => checkDefaults({ maxRetries: 5, timeout: "1m" })).not.toThrow();
  expect(() => checkDefaults({})).not.toThrow();
  expect(() => checkDefaults({ queue: "q" })).toThrow(
    '"queue" cannot be a default: each task has its own. Give it to boost().',
  );
  expect(() => checkDefaults({ retries: 5 })).toThrow('unknown option "retries". Did you mean "maxRetries"?');
  expect(() => checkDefaults({ qps: -1 })).toThrow('"qps" is -1.');
  expect(() => checkDefaults(5)).toThrow('"defaults" is 5. Allowed: an object such as { maxRetries: 5 }.');
});

describe("resolveOptions", () => {
  test("the defaults", () => {
    expect(resolveOptions({ queue: "q" }, {})).toEqual({
      queue: "q",
      broker: "sqlite",
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

describe("resolvePublish", () => {
  const now = Date.UTC(2026, 10, 21, 12, 0, 0);

  test("nothing given is one shared object", () => {
    expect(resolvePublish(undefined, now)).toBe(resolvePublish(undefined, now + 1));
    expect(resolvePublish({}, now)).toEqual({});
  });

  test("ids, times and priority", () => {
    expect(resolvePublish({ taskId: "a", delay: "5m", priority: -5 }, now)).toEqual({
      id: "a",
      delayMs: 300_000,
      priority: -5,
      limits: { etaMs: now + 300_000, givenId: true },
    });
    expect(resolvePublish({ delay: 0, priority: 0 }, now)).toEqual({});
    for (const eta of [
      new Date(now + 1500),
      now + 1500,
      new Date(now + 1500).toISOString(),
      "2026-11-21T13:00:01.500+01:00",
    ]) {
      expect(resolvePublish({ eta }, now)).toEqual({ delayMs: 1500, limits: { etaMs: now + 1500 } });
    }
    expect(resolvePublish({ eta: new Date(0) }, now)).toEqual({});
  });

  test("limits of this message; 0 and false are honoured", () => {
    expect(
      resolvePublish({ maxRetries: 0, timeout: 0, expireAfter: "1s", rpc: false, headers: { a: "b" } }, now),
    ).toEqual({
      limits: { maxRetries: 0, timeoutMs: 0, expireAfterMs: 1000, rpc: false, headers: { a: "b" } },
    });
  });

  test("the due time travels only with misfireGrace", () => {
    expect(resolvePublish({ delay: "1s", misfireGrace: "2s" }, now)).toEqual({
      delayMs: 1000,
      limits: { etaMs: now + 1000, misfireGraceMs: 2000 },
    });
    expect(resolvePublish({ eta: now - 5000, misfireGrace: 0 }, now)).toEqual({
      limits: { etaMs: now - 5000, misfireGraceMs: 0 },
    });
  });

  test.each<[unknown, string]>([
    [null, '[funboost] the publish options are null. Allowed: an object such as { delay: "5m" }.'],
    [
      { task_id: "a" },
      'unknown option "task_id". Did you mean "taskId"? Allowed: taskId, delay, eta, misfireGrace, priority, maxRetries, timeout, expireAfter, rpc, filterKey, headers.',
    ],
    [{ countdown: 5 }, 'unknown option "countdown". Did you mean "delay"?'],
    [{ taskId: "" }, '"taskId" is "". Allowed: a text of 1 to 200 characters.'],
    [{ taskId: "x".repeat(201) }, '"taskId" is "xxx'],
    [{ delay: "soon" }, '"delay" is "soon".'],
    [{ delay: 1, eta: now }, '"delay" and "eta" both say when to run. Give one of them.'],
    [{ misfireGrace: 1 }, '"misfireGrace" says how late a run may start, and neither "delay" nor "eta" says when.'],
    [
      { eta: "tomorrow" },
      '"eta" is "tomorrow". Allowed: a Date, epoch milliseconds, "YYYY-MM-DD HH:MM:SS" or an ISO time.',
    ],
    [{ eta: new Date(Number.NaN) }, '"eta" is a Date. Allowed:'],
    [{ eta: Math.floor(now / 1000) }, "or an ISO time; this looks like seconds, so multiply it by 1000."],
    [{ eta: true }, '"eta" is true.'],
    [{ priority: 1001 }, '"priority" is 1001. Allowed: a whole number from -1000 to 1000.'],
    [{ maxRetries: -1 }, '"maxRetries" is -1.'],
    [{ rpc: { ttl: 5 } }, '"rpc" is an object. Allowed: true or false.'],
    [{ headers: ["a"] }, '"headers" is an array of 1. Allowed: an object of texts.'],
    [{ headers: { a: 1 } }, '"headers.a" is 1. Allowed: a text.'],
  ])("refuses %o", (options, message) => {
    expect(() => resolvePublish(options as PublishOptions, now)).toThrow(message);
    expect(() => resolvePublish(options as PublishOptions, now)).toThrow(
      expect.objectContaining({ code: "BAD_OPTION" }),
    );
  });
});

test("convert answers the arguments of the task", () => {
  expectTypeOf<TaskParams<[a: string, b?: number]>["convert"]>().toEqualTypeOf<
    ((raw: unknown) => readonly [a: string, b?: number]) | undefined
  >();
});
