/** Copies of plain data, and what is handed on. */
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { copyPlain } from "../../../src/base/plain-copy.ts";

describe("copyPlain", () => {
  test("makes objects, arrays and Dates anew, at any depth", () => {
    const value = { a: [{ when: new Date(5) }], b: null, c: 5n, d: "x" };
    const copy = copyPlain(value);
    expect(copy).toEqual(value);
    value.a[0]!.when.setTime(9);
    value.a.push({ when: new Date(1) });
    expect(copy.a).toEqual([{ when: new Date(5) }]);
  });

  test("hands on instances, functions and what is no object", () => {
    const map = new Map();
    const run = () => {};
    expect(copyPlain({ map }).map).toBe(map);
    expect(copyPlain({ run }).run).toBe(run);
    expect(copyPlain(undefined)).toBeUndefined();
  });

  test("keeps holes and a member __proto__", () => {
    const copy = copyPlain({ list: Object.assign(new Array(2), { 1: 1 }), odd: JSON.parse('{"__proto__":{"n":1}}') });
    expect(0 in copy.list).toBe(false);
    expect(JSON.stringify(copy.odd)).toBe('{"__proto__":{"n":1}}');
  });

  test("ends where a value holds itself, and keeps its shape", () => {
    const node: Record<string, unknown> = { name: "a" };
    node.left = node;
    node.right = [node];
    const copy = copyPlain(node, new Map());
    expect(copy).not.toBe(node);
    expect(copy.left).toBe(copy);
    expect((copy.right as unknown[])[0]).toBe(copy);
  });

  test("takes what another realm made for an instance", () => {
    const foreign = runInNewContext("({ a: 1 })");
    expect(copyPlain({ foreign }).foreign).toBe(foreign);
  });
});
