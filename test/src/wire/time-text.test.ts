/** Times as texts, in every form that Python writes and reads, in the configured zone. */
import { afterEach, describe, expect, test } from "vitest";
import { formatTime, parseTime, setTimezone } from "../../../src/wire/time-text.ts";

afterEach(() => setTimezone());

describe("parseTime", () => {
  test("eta in every form that Python writes", () => {
    setTimezone("Asia/Shanghai");
    for (const eta of [
      "2026-11-21 14:07:22",
      "2026-11-21T14:07:22",
      "2026-11-21T14:07:22+08:00",
      "2026-11-21 06:07:22Z",
      "2026-11-21T06:07:22.000000+00:00",
      "2026-11-21T08:07:22+0200",
      1795241242,
      1795241242000,
      "1795241242",
    ]) {
      expect([eta, parseTime(eta)]).toEqual([eta, 1795241242000]);
    }
    expect(parseTime("2026-11-21 14:07")).toBe(1795241242000 - 22_000);
    expect(parseTime("2026-11-21")).toBe(Date.UTC(2026, 10, 20, 16));
    expect(parseTime("2026-11-21 14:07:22.2532")).toBe(1795241242253);
  });

  test("a naive eta follows the zone's summer time", () => {
    setTimezone("America/New_York");
    expect(parseTime("2026-07-01 12:00:00")).toBe(Date.UTC(2026, 6, 1, 16));
    expect(parseTime("2026-12-01 12:00:00")).toBe(Date.UTC(2026, 11, 1, 17));
    expect(parseTime("2026-03-08 03:30:00")).toBe(Date.UTC(2026, 2, 8, 7, 30));
    expect(parseTime("2026-03-08 01:30:00")).toBe(Date.UTC(2026, 2, 8, 6, 30));
    expect(parseTime("2026-11-01 00:30:00")).toBe(Date.UTC(2026, 10, 1, 4, 30));
  });

  test("without a zone, the system's", () => {
    expect(parseTime("2026-11-21 14:07:22")).toBe(new Date(2026, 10, 21, 14, 7, 22).getTime());
  });

  test.each(["tomorrow", "", "2026-02-30 00:00:00", "2026-02-28 25:00:00", true, -5, 9e15])("%j is none", (value) => {
    expect(parseTime(value)).toBeUndefined();
  });
});

describe("formatTime", () => {
  test("is in the zone, and changes with it", () => {
    const format = (zone?: string) => {
      setTimezone(zone);
      return formatTime(Date.UTC(2026, 0, 31, 16, 5, 9));
    };
    expect(format("Asia/Shanghai")).toBe("2026-02-01 00:05:09");
    expect(format("UTC")).toBe("2026-01-31 16:05:09");
    const local = new Date(Date.UTC(2026, 0, 31, 16, 5, 9));
    expect(format()).toMatch(new RegExp(`^2026-0[12]-(31|01) ${String(local.getHours()).padStart(2, "0")}:`));
    expect(() => setTimezone("Mars/Base")).toThrow(
      '[funboost] "timezone" is "Mars/Base". Allowed: a name such as "Europe/Berlin", "Asia/Shanghai" or "UTC".',
    );
  });
});
