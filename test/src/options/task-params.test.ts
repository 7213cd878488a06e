/** Params that several tasks share. */
import { expect, test } from "vitest";
import { taskParams } from "../../../src/options/task-params.ts";

test("shared params are what was given", () => {
  const shared = { broker: "memory", rpc: true, timeout: "30s", queue: "q" } as const;
  expect(taskParams(shared)).toBe(shared);
  expect(taskParams({})).toEqual({});
});

test.each([
  [{ maxRetrys: 3 }, 'unknown option "maxRetrys". Did you mean "maxRetries"?'],
  [{ timeout: "5 parsecs" }, '"timeout" is "5 parsecs". Allowed: milliseconds from 0'],
  [{ queue: "" }, '"queue" is "". Allowed: a text of 1 to 190 characters'],
  [null, 'the shared params are null. Allowed: an object such as { broker: "bullmq", rpc: true }.'],
])("%j is refused where it is written", (params, message) => {
  expect(() => taskParams(params as object)).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
  expect(() => taskParams(params as object)).toThrow(message);
});
