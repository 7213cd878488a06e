/** What makes two calls equal. */
import { expect, it } from "vitest";
import { filterKey } from "../../../src/filter/key.ts";

const filter = { ttlMs: 1, when: "done" as const };

it("is the same for equal arguments, whatever the order of their members", () => {
  const key = (...args: unknown[]) => filterKey("q", { ...filter, key: undefined }, args, undefined);
  expect(key({ a: 1, b: [2] })).toBe(key({ b: [2], a: 1 }));
  expect(key(1)).not.toBe(key("1"));
});

it("shows the user's own function copies: the arguments stay as they were", () => {
  const args = [{ list: [1] }];
  const key = (order: { list: number[] }) => String(order.list.pop());
  const first = filterKey("q", { ...filter, key: key as never }, args, undefined);
  expect(args).toEqual([{ list: [1] }]);
  expect(filterKey("q", { ...filter, key: key as never }, args, undefined)).toBe(first);
});
