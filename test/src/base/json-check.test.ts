/** What JSON carries unchanged is copied, and what is refused is named with its path. */
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { copyCarriable, copyJson, type Uncarriable } from "../../../src/base/json-check.ts";

class Invoice {
  total = 1;
}

describe("carried", () => {
  test.each([
    [null],
    [undefined],
    ["text 🚀 ü\u0000"],
    [0],
    [-1.5e300],
    [true],
    [[]],
    [{}],
    [{ a: { b: [1, { c: null }] }, left: undefined }],
    [Object.assign(Object.create(null), { a: 1 })],
    [runInNewContext("({ a: [1, { b: 2 }] })")],
  ])("%o", (value) => {
    expect(JSON.stringify(copyCarriable(value, "args.x"))).toBe(JSON.stringify(value));
    expect(JSON.stringify(copyJson(value, "args.x"))).toBe(JSON.stringify(value));
  });

  test("the same object twice is no cycle", () => {
    const shared = { a: 1 };
    const value = { one: shared, two: [shared, shared] };
    expect(copyCarriable(value, "args")).toEqual(value);
  });
});

describe("the copy", () => {
  test("shares nothing with the value, and leaves out what JSON leaves out", () => {
    const value = { a: { list: [{ n: 1 }] }, left: undefined as unknown };
    const copy = copyJson(value, "args") as typeof value;
    value.a.list[0]!.n = 2;
    value.a.list.push({ n: 3 });
    expect(copy).toEqual({ a: { list: [{ n: 1 }] } });
    expect(Object.keys(copy)).toEqual(["a"]);
  });

  test("is what was checked: a getter is asked once", () => {
    let asked = 0;
    const value = { get when() { return asked++ === 0 ? "now" : new Date(); } }; // biome-ignore format: short
    expect(copyJson(value, "args")).toEqual({ when: "now" });
    expect(asked).toBe(1);
  });

  test("keeps a member __proto__ a member", () => {
    const copy = copyJson(JSON.parse('{"__proto__":{"n":1}}'), "args") as object;
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"n":1}}');
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
  });
});

describe("refused", () => {
  test.each<[string, unknown, string, string]>([
    [
      "a Date",
      { options: { when: new Date() } },
      "args.options.when is a Date",
      "Send date.toISOString() or date.getTime().",
    ],
    ["a Map", { m: new Map() }, "args.m is a Map", "Send Object.fromEntries(map) or [...map]."],
    ["a Set", [1, new Set()], "args[1] is a Set", "Send [...set]."],
    ["a bigint", { id: 5n }, "args.id is the bigint 5", "Send String(value)."],
    ["a Buffer", { file: Buffer.from("a") }, "args.file is a Buffer", 'Send buffer.toString("base64").'],
    [
      "a typed array",
      { file: new Uint8Array(2) },
      "args.file is a Uint8Array",
      'Send Buffer.from(bytes).toString("base64").',
    ],
    ["an ArrayBuffer", { file: new ArrayBuffer(2) }, "args.file is an ArrayBuffer", "Send Buffer.from(bytes)"],
    ["undefined in an array", { list: [1, undefined] }, "args.list[1] is undefined", "Send null in its place."],
    ["a hole", { list: Object.assign(new Array(2), { 1: 1 }) }, "args.list[0] is a hole", "Send null in its place."],
    ["NaN", { n: Number.NaN }, "args.n is NaN", "Send null or a text, or leave it out."],
    ["Infinity", [Number.NEGATIVE_INFINITY], "args[0] is -Infinity", "Send null"],
    ["a function", { done: () => {} }, "args.done is a function", "Leave it out."],
    ["a symbol", { s: Symbol("x") }, "args.s is a symbol", "Leave it out."],
    [
      "a class instance",
      { invoice: new Invoice() },
      "args.invoice is an Invoice",
      "Send a plain object with what the task needs.",
    ],
    ["an Error", { error: new TypeError("x") }, "args.error is an Error", "Send error.message."],
    ["a URL", { link: new URL("http://a.b") }, "args.link is a URL", "Send url.href."],
    ["a boxed number", { n: Object(5) }, "args.n is a Number", "Send the plain value."],
    ["an object with toJSON", { a: { toJSON: () => 5 } }, "args.a.toJSON is a function", "Leave it out."],
    [
      "an odd prototype",
      { a: Object.create({ b: 1 }) },
      "args.a is an object with a prototype of its own",
      "Send a plain object",
    ],
    ["an odd member name", { "a-b": { "1": [new Date()] } }, 'args["a-b"]["1"][0] is a Date', "Send"],
    [
      "a Date of another realm",
      { when: runInNewContext("new Date()") },
      "args.when is a Date",
      "Send date.toISOString()",
    ],
  ])("%s", (_, value, where, advice) => {
    expect(() => copyJson(value, "args")).toThrow(`[funboost] ${where}, which JSON cannot carry. ${advice}`);
    expect(() => copyJson(value, "args")).toThrow(expect.objectContaining({ code: "BAD_ARGS" }));
  });

  test("a cycle, once, where it closes", () => {
    const args: Record<string, unknown> = { name: "a" };
    args.self = args;
    expect(() => copyJson(args, "args")).toThrow(
      "[funboost] args.self is a cycle: it is the same object as args, which JSON cannot carry. " +
        "Send ids instead of references.",
    );
    const node: Record<string, unknown> = { name: "a", list: [{ shared: args.name }] };
    node.children = [{}, { "parent of": node.list, parent: node.children }];
    (node.children as Record<string, unknown>[])[1]!.parent = node.children;
    expect(copyCarriable({ node }, "result")).toMatchObject({
      path: "result.node.children[1].parent",
      what: "a cycle: it is the same object as result.node.children",
    });
  });

  test("a cycle beside much, which is not copied for each turn of it", () => {
    const order: Record<string, unknown> = { rows: Array.from({ length: 20_000 }, (_, n) => ({ n })) };
    order.customer = { orders: [order] };
    const from = performance.now();
    expect(copyCarriable(order, "args")).toMatchObject({ path: "args.customer.orders[0]" });
    expect(performance.now() - from).toBeLessThan(1_500); // 300 copies of it take several seconds
  });

  test("what makes new members whenever it is asked, without an end", () => {
    const make = (): object => ({ get left() { return make(); }, get right() { return make(); } }); // biome-ignore format: short
    expect(copyCarriable(make(), "args")).toMatchObject({ what: "nested more than 1000 levels deep" });
  });

  test("a long path is cut in its middle", () => {
    let value: object = { when: new Date() };
    for (let i = 0; i < 500; i++) value = { value };
    expect((copyCarriable(value, "args") as Uncarriable).path).toMatch(/^args\.value.*….*\.value\.when$/);
  });

  test("nesting too deep for JSON.stringify, without a stack overflow", () => {
    let value: unknown = 1;
    for (let i = 0; i < 100_000; i++) value = { value };
    const problem = copyCarriable(value, "result") as Uncarriable;
    expect(problem).toMatchObject({ what: "nested more than 1000 levels deep" });
    expect(problem.path.length).toBeLessThan(400);
  });
});
