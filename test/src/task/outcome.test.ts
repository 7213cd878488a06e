/** How a task ended, as its waiters see it. */
import { expect, it } from "vitest";
import { type Outcome, resultOf, toOutcome, toRecord } from "../../../src/task/outcome.ts";

const done: Outcome = { id: "1", queue: "q", status: "done", result: 5, attempts: 1, endedAt: 9, host: "h", pid: 1 };
const error = { name: "RangeError", message: "too big" };
const thrown = (outcome: Outcome, classes = [RangeError]) => {
  try {
    return expect.unreachable(String(resultOf(outcome, classes)));
  } catch (caught) {
    return caught as Error;
  }
};

it("gives the result of what is done or was filtered", () => {
  expect(resultOf(done, [])).toBe(5);
  expect(resultOf({ ...done, status: "filtered" }, [])).toBe(5);
});

it("throws how it ended, with the task's own error as cause", () => {
  const failed = thrown({ ...done, status: "failed", attempts: 2, error });
  expect(failed).toMatchObject({ code: "TASK", status: "failed", taskId: "1", queue: "q", attempts: 2 });
  expect(failed.message).toBe("[funboost] [q] Task 1 failed after 2 attempts: RangeError: too big");
  expect(failed.cause).toBeInstanceOf(RangeError);
  expect(thrown({ ...done, status: "expired" })).toMatchObject({ code: "EXPIRED" });
  expect(thrown({ ...done, status: "cancelled" }).message).toMatch(/Task 1 was cancelled after 1 attempt$/);
});

it("says where a result could not be carried, to waiters and in the record", () => {
  const lost: Outcome = { ...done, lostAt: "result.when", error: { name: "Error", message: "a Date" } };
  expect(thrown(lost)).toMatchObject({ code: "RESULT", path: "result.when" });
  expect(toRecord(lost, []).error).toMatchObject({ code: "RESULT", path: "result.when" });
  expect(toRecord(lost, [])).not.toHaveProperty("lostAt");
});

it("fills what an engine does not tell", () => {
  expect(toOutcome("1", "q", { status: "done", result: 5, host: "h" })).toMatchObject({
    id: "1",
    attempts: 1,
    host: "h",
    pid: 0,
  });
});
