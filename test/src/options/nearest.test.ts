/** What an unknown name was probably meant to be. */
import { expect, it, test } from "vitest";
import { nearest } from "../../../src/options/nearest.ts";
import { pythonNames } from "../../../src/options/python-names.ts";
import { optionNames } from "../../../src/options/task-checks.ts";

const allowed = ["concurrency", "timeout", "expireAfter", "maxRetries", "rpc", "record"];

test.each([
  ["concurency", "concurrency"],
  ["time_out", "timeout"],
  ["Expire-After", "expireAfter"],
  ["retries", "maxRetries"],
  ["timeoutMs", "timeout"],
  ["rcp", undefined],
  ["colour", undefined],
  ["", undefined],
])("%s: %s", (key, name) => {
  expect(nearest(key, allowed)).toBe(name);
});

it("Python's names lead to options of a task or of one message", () => {
  const ofMessages = ["taskId", "delay", "misfireGrace"];
  const known: readonly string[] = [...optionNames, ...ofMessages];
  expect(Object.values(pythonNames).filter((name) => !known.includes(name))).toEqual([]);
});
