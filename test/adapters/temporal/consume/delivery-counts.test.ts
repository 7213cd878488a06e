/** Attempts and crashes, read from what the last delivery left. */
import { describe, expect, it } from "vitest";
import { toPayload } from "../../../../adapters/temporal/connect/payload.ts";
import { countsAfter } from "../../../../adapters/temporal/consume/delivery-counts.ts";

describe("attempts and crashes", () => {
  const details = (value: unknown) => ({ payloads: [toPayload(value)] });
  const before = { attempt: 2, crashes: 1 };
  it("our own failures say what comes next", () => {
    const ours = { applicationFailureInfo: { type: "RangeError", details: details({ attempt: 3, crashes: 1 }) } };
    expect(countsAfter(ours, before)).toEqual({ attempt: 3, crashes: 1 });
  });
  it("a missing heartbeat is a crash, and no attempt", () =>
    expect(countsAfter({ timeoutFailureInfo: { timeoutType: 4 } }, before)).toEqual({ attempt: 2, crashes: 2 }));
  it("a failure that somebody else reported is an attempt", () => {
    expect(countsAfter({ applicationFailureInfo: { details: details("theirs") } }, before)).toEqual({
      attempt: 3,
      crashes: 1,
    });
  });
});
