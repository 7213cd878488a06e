/** Names of options that nobody knows. */
import { expect, it } from "vitest";
import { checkNames } from "../../../adapters/shared/check-names.ts";

const check = (options: unknown) => () => checkNames("here", options, ["url", "prefix"], "here()");

it("takes what is allowed, and nothing at all", () => {
  expect(check({ url: "x" })).not.toThrow();
  expect(check({})).not.toThrow();
});

it("refuses an unknown name, an empty one too, and what is no object", () => {
  expect(check({ url: "x", ulr: "x" })).toThrow('[funboost] [here] here() has no "ulr". Allowed: url, prefix.');
  expect(check({ "": 1 })).toThrow('here() has no "".');
  expect(check("redis://")).toThrow('here() must be an object, got "redis://". Allowed: url, prefix.');
  expect(check(null)).toThrow("here() must be an object, got null.");
});
