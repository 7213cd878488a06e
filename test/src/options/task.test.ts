/** The types of a task's params. */
import { expectTypeOf, test } from "vitest";
import type { TaskParams } from "../../../src/options/task.ts";

test("convert answers the arguments of the task", () => {
  expectTypeOf<TaskParams<[a: string, b?: number]>["convert"]>().toEqualTypeOf<
    ((raw: unknown) => readonly [a: string, b?: number]) | undefined
  >();
});
