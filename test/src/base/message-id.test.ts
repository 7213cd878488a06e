/** Ids that callers give: what fits, and how one is made to. */
import { describe, expect, test } from "vitest";
import { fitId, longestId } from "../../../src/base/message-id.ts";

describe("fitId", () => {
  test("leaves alone what fits", () => {
    expect(fitId("queue.parent.child")).toBe("queue.parent.child");
    expect(fitId("x".repeat(longestId))).toBe("x".repeat(longestId));
  });

  test("cuts what is too long, the same each time, and keeps it apart from others", () => {
    const long = "x".repeat(500);
    expect(fitId(long)).toHaveLength(longestId);
    expect(fitId(long)).toBe(fitId(long));
    expect(fitId(long)).not.toBe(fitId(`${long}y`));
  });

  test("fits at any depth", () => {
    let id = "queue.01a22ce3-ac4a-72e9-8e5d-f0915fd5153d";
    const ids = new Set<string>();
    for (let depth = 0; depth < 50; depth++) ids.add((id = fitId(`queue.${id}.child`)));
    expect(ids.size).toBe(50);
    expect([...ids].every(({ length }) => length <= longestId)).toBe(true);
  });

  test("leaves no half of a surrogate pair", () => {
    const odd = [0, 1].map((n) => fitId("x".repeat(n) + "🚀".repeat(200)));
    expect(odd.every((id) => (id as string & { isWellFormed(): boolean }).isWellFormed())).toBe(true);
  });
});
