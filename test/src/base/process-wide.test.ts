/** State that all copies of the package in a process share. */
import { expect, it, vi } from "vitest";
import { processWide } from "../../../src/base/process-wide.ts";

it("is created once in a process, when it is first asked for, however many copies ask", async () => {
  const create = vi.fn(() => new Map());
  const ours = processWide("test", create);
  expect(create).not.toHaveBeenCalled();
  vi.resetModules();
  const copy = await import("../../../src/base/process-wide.ts");
  expect(copy.processWide).not.toBe(processWide);
  const theirs = copy.processWide("test", create);
  expect(theirs()).toBe(ours());
  expect(create).toHaveBeenCalledTimes(1);
  expect(copy.processWide("test.other", create)()).not.toBe(ours());
});
