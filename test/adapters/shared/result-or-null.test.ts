/** What an engine can write down of a result. */
import { expect, it } from "vitest";
import { resultOrNull } from "../../../adapters/shared/result-or-null.ts";

it("leaves alone what is JSON", () => {
  const result = { a: [1, "b", null] };
  expect(resultOrNull(result)).toBe(result);
  expect([undefined, "text", 1, true, null].map(resultOrNull)).toEqual([undefined, "text", 1, true, null]);
});

it("makes null of what JSON cannot carry", () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const refusing = {
    toJSON() {
      throw new Error("no");
    },
  };
  expect([circle, 1n, refusing].map(resultOrNull)).toEqual([null, null, null]);
});
