/** Whether a task is open or over, by what is known of it. */
import { expect, it } from "vitest";
import { isOpen, isOver } from "../../../src/base/task-state.ts";

it("is open while it waits or runs, over at each end; what nobody knows is over, what was not asked is neither", () => {
  for (const state of ["waiting", "delayed", "running"] as const)
    expect([isOpen(state), isOver(state)]).toEqual([true, false]);
  for (const state of ["done", "failed", "dead", "cancelled", "expired", "filtered", "unknown"] as const)
    expect([isOpen(state), isOver(state)]).toEqual([false, true]);
  expect([isOpen(undefined), isOver(undefined)]).toEqual([false, false]);
});
