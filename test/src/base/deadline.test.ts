/** Deadlines around calls to a server. */
import { afterEach, expect, it, vi } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import { deadline, undoIfLate, wrapCalls } from "../../../src/base/deadline.ts";
import { handClock } from "../../support/hand-clock.ts";

afterEach(() => setClock());
const never = () => new Promise<never>(() => {});

it("gives the answer, or says after its time what was not answered, where and by whom", async () => {
  const { pass } = handClock();
  expect(await deadline(Promise.resolve(5), 1_000, "count()", "bullmq")).toBe(5);
  await expect(deadline(Promise.reject(new RangeError("x")), 1_000, "count()", "bullmq")).rejects.toThrow(RangeError);
  const late = deadline(never(), 1_000, "count()", "bullmq", "redis://a:1");
  const refusal = expect(late).rejects.toMatchObject({
    code: "BROKER_DOWN",
    message:
      "[funboost] [bullmq] count() was not answered within 1000 ms. Is the server at redis://a:1 up and reachable?",
  });
  await pass(1_200);
  await refusal;
});

it("takes an answer that is there beside its deadline: the process stood still", async () => {
  const { pass } = handClock();
  let arrive = (_: string) => {};
  const coming = new Promise<string>((resolve) => (arrive = resolve));
  const answer = deadline(coming, 1_000, "count()", "bullmq");
  await pass(1_050);
  arrive("done");
  expect(await answer).toBe("done");
});

it("wraps the calls that an object has, by name, and leaves the rest", async () => {
  const target = { factor: 2, double: async (n: number) => n * target.factor, other: async () => 1 };
  const names: string[] = [];
  const copy = wrapCalls<typeof target & { absent?: never }>(target, ["double", "absent"], (work, name) => {
    names.push(name);
    return work();
  });
  expect([await copy.double(4), await copy.other(), copy.absent]).toEqual([8, 1, undefined]);
  expect(names).toEqual(["double"]);
});

it("undoes what comes after its deadline, and only that", async () => {
  const undo = vi.fn();
  expect(await undoIfLate(Promise.resolve(1), Promise.resolve(1), undo)).toBe(1);
  expect(undo).not.toHaveBeenCalled();
  const coming = Promise.resolve("consumer");
  await expect(undoIfLate(Promise.reject(new Error("late")), coming, undo)).rejects.toThrow("late");
  await expect.poll(() => undo.mock.calls).toEqual([["consumer"]]);
});
