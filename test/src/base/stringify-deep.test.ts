import { expect, test } from "vitest";
import { stringifyDeep } from "../../../src/base/stringify-deep.ts";

test("stringifyDeep writes what JSON.stringify writes, at any depth", () => {
  const made = { toJSON: () => "made" };
  const value = {
    a: [1, "ü\n", null, [], {}, undefined, { b: true, left: undefined }],
    "c-d": made,
    when: new Date(0),
  };
  expect(stringifyDeep(value)).toBe(JSON.stringify(value));
  expect(stringifyDeep([12345678901234567890n])).toBe("[12345678901234567890]");
  const wide = new Array(200_000).fill(0);
  expect(stringifyDeep(wide)).toBe(JSON.stringify(wide));
  const deep = `${'{"a":['.repeat(20_000)}${"]}".repeat(20_000)}`;
  expect(stringifyDeep(JSON.parse(deep))).toBe(deep);
});
