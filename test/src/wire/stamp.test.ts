/** Facts of a message in its `extra`, there and back. */
import { afterEach, describe, expect, test } from "vitest";
import { readExtra, stampExtra } from "../../../src/wire/stamp.ts";
import { setTimezone } from "../../../src/wire/time-text.ts";

afterEach(() => setTimezone());

describe("stampExtra and readExtra", () => {
  test("facts there and back; other keys are kept", () => {
    setTimezone("UTC");
    const body = { a: 1, extra: { order: ["a"], otel_context: { traceparent: "x" }, task_id: "old" } };
    const stamped = stampExtra(body, { id: "new", publishedAt: 1795241242253, attempt: 3, ahead: true, priority: -2 });
    expect(stamped).toEqual({
      a: 1,
      extra: {
        order: ["a"],
        otel_context: { traceparent: "x" },
        task_id: "new",
        publish_time: 1795241242.253,
        publish_time_format: "2026-11-21 06:07:22",
        _advanced_retry_count: 2,
        ahead: true,
        priority: -2,
      },
    });
    expect(body.extra.task_id).toBe("old");
    expect(readExtra(stamped)).toEqual({
      id: "new",
      publishedAt: 1795241242253,
      attempt: 3,
      ahead: true,
      priority: -2,
    });
    expect(readExtra(Buffer.from(JSON.stringify(stamped)))).toEqual(readExtra(stamped));
  });

  test("what is not given stays; attempt 1 takes the count away", () => {
    const body = stampExtra({}, { id: "x", publishedAt: 5000, attempt: 4 });
    expect(stampExtra(body, {})).toEqual(body);
    expect(readExtra(stampExtra(body, { attempt: 1 }))).toEqual({ id: "x", publishedAt: 5000 });
  });

  test.each([
    [undefined],
    [null],
    [5],
    ["text"],
    ['"extra"'],
    ["[1]"],
    [{}],
    [{ extra: 5 }],
    ['{"a":1}'],
    ['{"extra":'],
  ])("%j has none", (body) => {
    expect(readExtra(body)).toBeUndefined();
  });

  test("odd values are left out", () => {
    expect(
      readExtra({ extra: { task_id: 7, publish_time: "x", _advanced_retry_count: -1, ahead: 1, priority: "high" } }),
    ).toEqual({ id: "7" });
  });
});
