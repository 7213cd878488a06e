/** A map that forgets its oldest. */
import { expect, it } from "vitest";
import { createForgetfulMap } from "../../../src/base/forgetful-map.ts";

it("holds the last ones that were set, whether new or set again", () => {
  const map = createForgetfulMap<string, number>(3);
  for (const [key, value] of Object.entries({ a: 1, b: 2, c: 3 })) map.set(key, value);
  map.set("a", 10);
  map.set("d", 4);
  expect(["a", "b", "c", "d"].map(map.get)).toEqual([10, undefined, 3, 4]);
});

it("forgets what it is told to, and has room for another", () => {
  const map = createForgetfulMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.delete("b");
  map.delete("never there");
  map.set("c", 3);
  expect(["a", "b", "c"].map(map.get)).toEqual([1, undefined, 3]);
});
