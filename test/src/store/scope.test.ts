/** A queue's name in a store. */
import { expect, it } from "vitest";
import { scopeOf } from "../../../src/store/scope.ts";

it("is apart for each engine, and for what the engine tells apart by a prefix or a schema", () => {
  expect(scopeOf({ name: "sqlite" }, {}, { queue: "mail" })).toBe("sqlite:mail");
  expect(scopeOf({ name: "bullmq" }, { scope: "app2:mail" }, { queue: "mail" })).toBe("bullmq:app2:mail");
});
