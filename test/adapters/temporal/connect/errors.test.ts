/** What the errors of a Temporal server mean. */
import { describe, expect, it } from "vitest";
import { isTooLarge } from "../../../../adapters/temporal/connect/errors.ts";

describe("a result that the server refuses", () => {
  const error = (code: number, message: string) => Object.assign(new Error(message), { code });
  it("is too large where it says so, and not where it is busy", () => {
    expect(isTooLarge(error(3, "Complete result exceeds size limit."))).toBe(true);
    expect(isTooLarge(error(8, "grpc: received message larger than max (5000000 vs. 4194304)"))).toBe(true);
    expect(isTooLarge(error(8, "namespace rate limit exceeded"))).toBe(false);
  });
});
