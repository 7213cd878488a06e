/** Addresses of servers: shown without their passwords, and with a proxy in front where one can stand there. */
import { describe, expect, it } from "vitest";
import { masked } from "../support/services/all.ts";
import { proxy } from "../support/services/proxy.ts";

describe("addresses", () => {
  it("hide the password", () => expect(masked("mongodb://me:secret@a:1,b:2/db")).toBe("mongodb://***@a:1,b:2/db"));

  it.each([
    ["redis://me:pw@localhost:1/2", /^redis:\/\/me:pw@127\.0\.0\.1:\d+\/2$/],
    ["postgres://127.0.0.1/db?application_name=x", /^postgres:\/\/127\.0\.0\.1:\d+\/db\?application_name=x$/],
    ["[::1]:7233", /^127\.0\.0\.1:\d+$/],
  ])("%s can have a proxy in front", async (address, by) => {
    const between = await proxy(address);
    expect(between?.address).toMatch(by);
    await between?.close();
  });

  it.each(["rediss://a:1", "mongodb+srv://a", "mongodb://a:1,b:2", "mongodb://a:1/?replicaSet=x", "a:1,b:2"])(
    "%s cannot",
    async (address) => {
      expect(await proxy(address)).toBeUndefined();
    },
  );
});
