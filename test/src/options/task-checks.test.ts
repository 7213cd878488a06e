/** Options of a task and of all tasks: their limits, and what each refusal says. */
import { describe, expect, test } from "vitest";
import type { TaskParams } from "../../../src/options/task.ts";
import { checkDefaults, checkParams } from "../../../src/options/task-checks.ts";

class Declined extends Error {}
const names =
  "queue, broker, brokerOptions, concurrency, adopt, pool, prefetch, qps, qpsScope, maxRetries, maxRequeues, backoff, " +
  "deadLetter, timeout, expireAfter, filter, rpc, record, onRecord, input, output, use, usePublish, errors, " +
  "params, convert, log, publishTimeout, maxSuspended, maxCrashes";

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
    [{ queue_name: "emails" }, `[funboost] unknown option "queue_name". Did you mean "queue"? Allowed: ${names}.`],
    [{ concurrent_num: 3 }, '[funboost] unknown option "concurrent_num". Did you mean "concurrency"?'],
    [{ queue: "" }, '[funboost] "queue" is "". Allowed: a text of 1 to 190 characters.'],
    [{ queue: "  " }, '"queue" is "  ".'],
    [{ queue: 5 }, '"queue" is 5.'],
    [{ queue: "a\ud83d" }, '"queue" is "a\\ud83d". Allowed: a text of whole characters: it has half a surrogate pair.'],
    [{ queue: "q", deadLetter: "\udc00" }, '"deadLetter" is "\\udc00".'],
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
      '[funboost] [q] "broker" is "". Allowed: a name such as "memory", "sqlite" or "bullmq", or an instance ' +
        "such as bullmq({ url }).",
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
      '"log" is "loud". Allowed: "debug", "info", "warn", "error" or "silent", false, or { level, logger, ' +
        "bodies, stacks, summary, filter }.",
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
