/** Options of one message. */
import { describe, expect, test } from "vitest";
import { type PublishOptions, resolvePublish } from "../../../src/options/publish.ts";

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
      limits: { etaMs: now + 300_000, isTimed: true, givenId: true },
    });
    expect(resolvePublish({ delay: 0, priority: 0 }, now)).toEqual({});
    for (const eta of [
      new Date(now + 1500),
      now + 1500,
      new Date(now + 1500).toISOString(),
      "2026-11-21T13:00:01.500+01:00",
    ]) {
      expect(resolvePublish({ eta }, now)).toEqual({ delayMs: 1500, limits: { etaMs: now + 1500, isTimed: true } });
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
      limits: { etaMs: now + 1000, isTimed: true, misfireGraceMs: 2000 },
    });
    expect(resolvePublish({ eta: now - 5000, misfireGrace: 0 }, now)).toEqual({
      limits: { etaMs: now - 5000, misfireGraceMs: 0 },
    });
  });

  test.each<[unknown, string]>([
    [null, '[funboost] the publish options are null. Allowed: an object such as { delay: "5m" }.'],
    [
      { task_id: "a" },
      'unknown option "task_id". Did you mean "taskId"? Allowed: taskId, delay, eta, misfireGrace, priority, ' +
        "maxRetries, timeout, expireAfter, rpc, filterKey, headers.",
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
