/** Arguments as members of a body, and back; what cannot be carried. */
import { describe, expect, test } from "vitest";
import { stringifyJson } from "../../../src/base/json.ts";
import { decodeBody, encodeBody } from "../../../src/wire/call.ts";
import { readSignature } from "../../../src/wire/signature.ts";
import { stampExtra } from "../../../src/wire/stamp.ts";

const add = readSignature((a: number, b: number, c = 3) => a + b + c, ["a", "b", "c?"]);
const two = readSignature((file: string, height: number) => `${file}${height}`);
const one = readSignature((job: unknown) => job);
const none = readSignature(() => 1);
const spread = readSignature((first: number, ...rest: number[]) => [first, rest]);
const destructured = readSignature(({ file, height = 1 }: { file: string; height?: number }) => `${file}${height}`);
const withDefault = ({ file = "x" } = {}) => file;
const optionalObject = readSignature(withDefault);

describe("push and run", () => {
  const cases: readonly [string, typeof two, readonly unknown[], object, (readonly unknown[])?][] = [
    [
      "labels carry their order",
      two,
      ["a.mov", 720],
      { file: "a.mov", height: 720, extra: { order: ["file", "height"] } },
    ],
    ["a missing last argument", two, ["a.mov"], { file: "a.mov", extra: { order: ["file", "height"] } }],
    ["undefined in the middle", two, [undefined, 720], { height: 720, extra: { order: ["file", "height"] } }],
    ["null is a value", two, [null, null], { file: null, height: null, extra: { order: ["file", "height"] } }],
    ["no parameters", none, [], {}],
    ["a rest parameter", spread, [1, 2, 3], { first: 1, rest: [2, 3], extra: { order: ["first", "...rest"] } }],
    ["an empty rest parameter", spread, [1], { first: 1, extra: { order: ["first", "...rest"] } }],
    ["an object argument", one, [{ extra: 1 }], { job: { extra: 1 }, extra: { order: ["job"] } }],
    ["names need no extra", add, [1, 2], { a: 1, b: 2 }],
    [
      "a destructured parameter",
      destructured,
      [{ file: "a", height: undefined }],
      { file: "a", height: undefined },
      [{ file: "a" }],
    ],
    ["no argument where it may be missing", optionalObject, [], { extra: { order: [] } }],
    ["an empty object is not no argument", optionalObject, [{}], {}],
    [
      "a parameter named like a member of every object",
      readSignature(make("(constructor, toString) => 1")),
      [undefined, 5],
      { toString: 5, extra: { order: ["constructor", "toString"] } },
    ],
  ];

  function make(source: string): (...args: never[]) => unknown {
    return new Function(`return ${source}`)();
  }

  test.each(cases)("%s", (_, signature, args, body, ran = args) => {
    const encoded = encodeBody(signature, args, undefined, "q");
    expect(encoded).toEqual(body);
    for (const raw of [encoded, stringifyJson(encoded), Buffer.from(stringifyJson(encoded))]) {
      expect(decodeBody(raw, signature, undefined)).toMatchObject({ args: ran, foreign: false });
      const stamped = stampExtra(raw, { id: "x", publishedAt: 1, attempt: 3 });
      expect(decodeBody(stringifyJson(stamped), signature, undefined).args).toEqual(ran);
    }
  });

  test("names that a bundler changed still bind by position", () => {
    const minified = readSignature((r: string, n: number) => [r, n]);
    expect(decodeBody(encodeBody(two, ["a.mov", 720], undefined, "q"), minified, undefined).args).toEqual([
      "a.mov",
      720,
    ]);
  });

  test("a message of before `params` was declared still runs", () => {
    const named = readSignature((file: string, height: number) => [file, height], ["path", "size"]);
    expect(decodeBody(encodeBody(two, ["a.mov", 720], undefined, "q"), named, undefined).args).toEqual(["a.mov", 720]);
  });

  test("the body is a copy of an object argument", () => {
    const job = { file: "a" };
    expect(encodeBody(destructured, [job], undefined, "q")).not.toBe(job);
  });

  test.each<[string, typeof two, readonly unknown[], string]>([
    ["too many", two, ["a", 1, 2], "[funboost] [emails] got 3 arguments, takes 2 arguments: file, height."],
    ["any for none", none, [1], "[funboost] [emails] got 1 argument, takes 0 arguments."],
    [
      "a needed one missing",
      add,
      [1],
      '[funboost] [emails] "b" is missing; it takes 3 arguments: a, b, c. Where it may be missing, declare it as "b?".',
    ],
    [
      "not JSON",
      two,
      ["a", { when: new Date() }],
      "[funboost] [emails] args.height.when is a Date, which JSON cannot carry. Send date.toISOString()",
    ],
    ["not JSON in the rest", spread, [1, 2, 3n], "args.rest[1] is the bigint 3"],
    ["undefined in the rest", spread, [1, undefined, 3], "args.rest[0] is undefined"],
    ["not JSON in an object", destructured, [{ file: new Map() }], "args.file is a Map"],
    ["no object", destructured, ["a"], '[funboost] [emails] got "a", takes one object.'],
    ["a list", destructured, [["a"]], "got an array of 1, takes one object."],
    ["nothing", destructured, [], "got undefined, takes one object."],
    ["two objects", destructured, [{ file: "a" }, 1], "got 2 arguments, takes one object."],
    [
      "a member extra",
      destructured,
      [{ file: "a", extra: 1 }],
      'the object has a member "extra", which is funboost\'s own in a message. Rename it.',
    ],
    ["a class instance", destructured, [new URL("http://a.b")], "args is a URL"],
  ])("refuses %s", (_, signature, args, message) => {
    expect(() => encodeBody(signature, args, undefined, "emails")).toThrow(message);
    expect(() => encodeBody(signature, args, undefined, "emails")).toThrow(
      expect.objectContaining({ code: "BAD_ARGS" }),
    );
  });
});
