/** Addresses without their passwords. */
import { describe, expect, it } from "vitest";
import { FunboostError } from "../../../src/base/errors.ts";
import { maskSecrets } from "../../../src/base/mask-secrets.ts";

describe("maskSecrets", () => {
  it.each([
    ["redis://user:pa:ss@host:1/0 and http://x/y@z", "redis://***@host:1/0 and http://x/y@z"],
    ["a password with / # and @: redis://u:p/w#x@y@h:6379/2", "a password with / # and @: redis://***@h:6379/2"],
    ["mongodb://u:p@h1:1,h2:2/db?x=1", "mongodb://***@h1:1,h2:2/db?x=1"],
    ["no scheme: connect ENOENT u:pw@host:6379", "no scheme: connect ENOENT ***@host:6379"],
    ['"u:p/w#x@host"', '"***@host"'],
    ["https://token@api.host/x and http://u:pa/ss@h", "https://***@api.host/x and http://***@h"],
  ])("hides user and password: %s", (text, masked) => {
    expect(maskSecrets(text)).toBe(masked);
  });

  it.each([
    "https://host:8080/x/@scope/pkg",
    "at file:///a/node_modules/.pnpm/vite@4.0/x.js:1:2",
    "at Object.<anonymous> (/a/node_modules/.pnpm/vite@4.0/x.js:1:2)",
    "mailto:me@example.com",
    "task@host, and a: b@c",
  ])("leaves alone what is no address with a password: %s", (text) => {
    expect(maskSecrets(text)).toBe(text);
  });

  it("is in each message of ours, also where a long text is cut", () => {
    expect(new FunboostError("BAD_OPTION", 'no broker "redis://u:pw@h"').message).toBe(
      '[funboost] no broker "redis://***@h"',
    );
  });
});
