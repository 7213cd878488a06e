/** Which servers are taken. */
import { describe, expect, it } from "vitest";
import { refuseOld } from "../../../../adapters/temporal/connect/client.ts";

describe("a server's version", () => {
  const target = { address: "t.example:7233", namespace: "default" };
  it("before 1.29 is refused, with what to do", () => {
    const refused = {
      code: "BROKER_REFUSED",
      message: expect.stringMatching(/t\.example:7233 is of version 1\.28\.4: .* 1\.29 or later/),
    };
    expect(() => refuseOld("1.28.4", target)).toThrow(expect.objectContaining(refused));
  });
  it.each(["1.29.0", "1.31.2", "2.0.0", ""])("%j is taken", (version) =>
    expect(refuseOld(version, target)).toBeUndefined(),
  );
});
