/** The wire envelope: golden samples of Python, bodies of others, and `convert`. */
import { afterEach, describe, expect, test } from "vitest";
import { JsonText, maxDigits, parseJson, stringifyJson } from "../../../src/base/json.ts";
import { decodeBody, encodeBody } from "../../../src/wire/call.ts";
import { readSignature } from "../../../src/wire/signature.ts";
import { readExtra, stampExtra } from "../../../src/wire/stamp.ts";
import { setTimezone } from "../../../src/wire/time-text.ts";

const add = readSignature((a: number, b: number, c = 3) => a + b + c, ["a", "b", "c?"]);
const two = readSignature((file: string, height: number) => `${file}${height}`);
const one = readSignature((job: unknown) => job);
const none = readSignature(() => 1);
const spread = readSignature((first: number, ...rest: number[]) => [first, rest]);
const destructured = readSignature(({ file, height = 1 }: { file: string; height?: number }) => `${file}${height}`);

afterEach(() => setTimezone());

const golden = {
  push:
    '{"b":2,"a":1,"extra":{"task_id":"01a1fcb7-6e8d-72ae-89b1-a972ad20ea15","publish_time":1795241242.2532,' +
    '"publish_time_format":"2026-11-21 14:07:22"}}',
  publish:
    '{"a":5,"b":6,"extra":{"max_retry_times":7,"countdown":3.0,"eta":null,"user_extra_info":{"u":1},' +
    '"other_extra_params":{"priroty":4},"filter_str":"x","task_id":"t2","publish_time":1795241242.6544,' +
    '"publish_time_format":"2026-11-21 14:07:22"}}',
  pickled: `{"a":1,"b":"b'\\\\x80\\\\x04\\\\x95'","extra":{"task_id":"t3","can_not_json_serializable_keys":["b"]}}`,
  method:
    '{"self":{"first_param_name":"self","cls_name":"Foo","cls_file":"/a/b.py","cls_module":"t8m",' +
    '"obj_init_params":{"k":5}},"x":3,"extra":{"task_id":"t4","publish_time":1795241242.1}}',
};

describe("Python's golden samples", () => {
  test.each(Object.entries(golden))("%s: the same values there and back", (_, text) => {
    expect(JSON.parse(stringifyJson(parseJson(text)))).toEqual(JSON.parse(text));
    expect(stampExtra(text, {})).toEqual(JSON.parse(text));
  });

  test("push", () => {
    const call = decodeBody(golden.push, add, undefined);
    expect(call).toMatchObject({ args: [1, 2], limits: {}, foreign: false });
    expect(call.extra.task_id).toBe("01a1fcb7-6e8d-72ae-89b1-a972ad20ea15");
    expect(readExtra(golden.push)).toEqual({ id: "01a1fcb7-6e8d-72ae-89b1-a972ad20ea15", publishedAt: 1795241242253 });
  });

  test("publish with TaskOptions", () => {
    const call = decodeBody(golden.publish, add, undefined);
    expect(call.args).toEqual([5, 6]);
    expect(call.limits).toEqual({ maxRetries: 7, filterKey: "x", etaMs: 1795241245654 });
    expect(call.extra.user_extra_info).toEqual({ u: 1 });
    expect(readExtra(golden.publish)).toEqual({ id: "t2", publishedAt: 1795241242654, priority: 4 });
  });

  test("a pickle is refused with its reason, also beside a convert; an instance stays an object", () => {
    const reason = 'the argument "b" was pickled by Python';
    expect(() => decodeBody(golden.pickled, add, undefined)).toThrow(reason);
    expect(() => decodeBody(JSON.parse(golden.pickled), one, (each) => [each])).toThrow(
      expect.objectContaining({ code: "BAD_MESSAGE", message: expect.stringContaining(reason) }),
    );
    const two = '{"a":1,"extra":{"can_not_json_serializable_keys":["a","b"]}}';
    expect(() => decodeBody(two, add, undefined)).toThrow('the arguments "a", "b" were pickled');
    const nothing = '{"a":1,"b":2,"extra":{"can_not_json_serializable_keys":[]}}';
    expect(decodeBody(nothing, add, undefined).args).toEqual([1, 2]);
    const method = readSignature((self: object, x: number) => [self, x], ["self", "x"]);
    expect(decodeBody(golden.method, method, undefined).args).toMatchObject([{ cls_name: "Foo" }, 3]);
  });

  test("our own push is what Python's decoder reads", () => {
    setTimezone("Asia/Shanghai");
    const body = stampExtra(encodeBody(add, [1, 2], undefined, "q"), {
      id: "01a1fcb7-6e8d-72ae-89b1-a972ad20ea15",
      publishedAt: 1795241242253.2,
    });
    expect(body).toEqual(JSON.parse(golden.push));
  });

  test("integers above 2^53 arrive whole", () => {
    expect(decodeBody('{"a":1234567890123456789,"b":2,"extra":{"task_id":"1"}}', add, undefined).args).toEqual([
      1234567890123456789n,
      2,
    ]);
  });
});

describe("bodies of others", () => {
  test("are the whole argument of a one-parameter task", () => {
    const body = { url: "http://a", extra: "mine" };
    expect(decodeBody(body, one, undefined)).toMatchObject({ args: [body], foreign: true, body });
    expect(decodeBody(JSON.stringify(body), one, undefined)).toMatchObject({ args: [body], foreign: true });
    expect(decodeBody({ url: "http://a", extra: { task_id: "1" } }, one, undefined)).toMatchObject({
      args: [{ url: "http://a" }],
      foreign: true,
    });
  });

  test("bind by name where `params` is declared", () => {
    expect(decodeBody({ c: 5, b: 2, a: 1 }, add, undefined).args).toEqual([1, 2, 5]);
    const rest = readSignature((first: number, ...more: number[]) => [first, more], ["first", "...more"]);
    expect(decodeBody({ more: [2, 3], first: 1 }, rest, undefined).args).toEqual([1, 2, 3]);
    expect(decodeBody({ first: 1 }, rest, undefined).args).toEqual([1]);
  });

  test("are the one argument of an object task, and nothing to a task without parameters", () => {
    expect(decodeBody({ file: "a", extra: { task_id: "1" } }, destructured, undefined).args).toEqual([{ file: "a" }]);
    expect(decodeBody({ what: "ever" }, none, undefined).args).toEqual([]);
  });

  test.each<[string, unknown, typeof two, string]>([
    [
      "several parameters",
      { file: "a", height: 1 },
      two,
      'the body has no "extra.order", so no push of this task sent it, and the task takes 2 arguments. Declare ' +
        'params: ["file", "height"] to bind members by name, or set "convert".',
    ],
    ["several parameters, Python's extra", golden.push, two, 'Declare params: ["file", "height"]'],
    ["a rest parameter", {}, spread, 'the task takes a list of arguments. Declare params: ["first", "...rest"]'],
    [
      "more than the task takes",
      { a: 1, b: 2, c: 3, extra: { order: ["a", "b", "c"] } },
      two,
      "it carries 3 arguments (a, b, c), and the task takes 2 arguments: file, height.",
    ],
    [
      "a spread that is no list",
      { first: 1, rest: 5, extra: { order: ["first", "...rest"] } },
      spread,
      '"rest" is 5. Needed: a list, because it is a rest parameter.',
    ],
    ["an unknown name", { a: 1, b: 2, z: 3, y: 4 }, add, 'the task has no argument "z", "y". Allowed: a, b, c.'],
    ["an extra that is no object", { a: 1, b: 2, extra: 5 }, add, 'the task has no argument "extra".'],
    ["a missing name", { a: 1 }, add, 'the argument "b" is missing. Needed: a, b, c; got a.'],
    [
      "a name that every object has",
      {},
      readSignature((kind: unknown) => kind, ["constructor"]),
      'the argument "constructor" is missing',
    ],
  ])("%s: a call that another version of the task may take", (_, raw, signature, message) => {
    expect(decodeBody(raw, signature, undefined)).toMatchObject({ args: [], unbound: { code: "BAD_MESSAGE" } });
    expect(decodeBody(raw, signature, undefined).unbound?.message).toContain(message);
  });

  test.each<[string, unknown, typeof two, string]>([
    [
      "text",
      "hello",
      one,
      '[funboost] the body is "hello". Needed: a JSON object. Set "convert" to take other bodies.',
    ],
    ["broken JSON", '{"a":1', one, 'the body is "{\\"a\\":1".'],
    ["broken JSON with a long number", '{"a":1111111111111111111', one, "the body is "],
    ["a number", "5", one, "the body is 5."],
    ["a list", "[1,2]", one, "the body is an array of 2."],
    ["null", "null", none, "the body is null."],
    ["nothing", "", one, 'the body is "".'],
    ["undefined", undefined, one, "the body is undefined."],
    ["bytes", Buffer.from([0xff, 0xfe, 0]), one, "the body is "],
    [
      "a number that is too long",
      `{"a":${"7".repeat(maxDigits + 1)}}`,
      one,
      "the body has a number of more than 4300 digits. Send it as a text.",
    ],
  ])("refuses %s", (_, raw, signature, message) => {
    expect(() => decodeBody(raw, signature, undefined)).toThrow(message);
    expect(() => decodeBody(raw, signature, undefined)).toThrow(expect.objectContaining({ code: "BAD_MESSAGE" }));
  });

  test("a byte order mark is no part of JSON", () => {
    expect(decodeBody('\ufeff{"a":1}', one, undefined).args).toEqual([{ a: 1 }]);
  });
});

describe("convert", () => {
  test("gets what the broker delivered: text, bytes or a value", () => {
    for (const raw of ["a,b", '{"a":1}', "5", Buffer.from("a,b"), { a: 1 }, [1], 5]) {
      const seen: unknown[] = [];
      const call = decodeBody(raw, two, (each) => [seen.push(each), "x"]);
      expect(seen).toEqual([raw]);
      expect(call).toMatchObject({ args: [1, "x"], foreign: true });
    }
  });

  test("gets a copy: what the broker holds stays as it was", () => {
    const raw = { list: [1] };
    decodeBody(raw, two, (each) => [(each as typeof raw).list.pop()]);
    expect(raw).toEqual({ list: [1] });
  });

  test("gets the value of a body that is JSON text already", () => {
    const call = decodeBody(new JsonText('{"list":[1]}'), two, (each) => [each]);
    expect(call).toMatchObject({ args: [{ list: [1] }], converted: true });
  });

  test("is not asked for our own bodies", () => {
    const never = () => expect.unreachable();
    expect(decodeBody(encodeBody(two, ["a", 1], undefined, "q"), two, never).args).toEqual(["a", 1]);
    expect(decodeBody(golden.push, add, never).args).toEqual([1, 2]);
  });

  test("gets the same again after an emulation stamped the body", () => {
    for (const raw of ["a,b", '{"a":1}', "5", "[1]", Buffer.from("a,b"), [1]]) {
      const first: unknown[] = [];
      const again: unknown[] = [];
      decodeBody(raw, two, (each) => [first.push(each)]);
      const stamped = stampExtra(stampExtra(raw, { id: "x", attempt: 2 }), { attempt: 3 });
      expect(readExtra(stringifyJson(stamped))).toEqual({ id: "x", attempt: 3 });
      decodeBody(stringifyJson(stamped), two, (each) => [again.push(each)]);
      expect(again.map(String)).toEqual(first.map(String));
    }
  });

  test("that throws or answers no list makes a bad message, with its cause", () => {
    const cause = new TypeError("no comma");
    const thrower = () => {
      throw cause;
    };
    expect(() => decodeBody("a", two, thrower)).toThrow('[funboost] "convert" threw: no comma');
    expect(() => decodeBody("a", two, thrower)).toThrow(expect.objectContaining({ code: "BAD_MESSAGE", cause }));
    expect(() => decodeBody("a", two, (() => "x") as never)).toThrow(
      '"convert" answered "x". Needed: the list of arguments, such as [file, height].',
    );
  });
});

describe("a body that is JSON text already", () => {
  test("is read like its value, and not taken for a text from elsewhere when it is stamped", () => {
    const text = new JsonText(JSON.stringify(encodeBody(add, [1, 2], undefined, "q")));
    expect(decodeBody(text, add, undefined)).toMatchObject({ args: [1, 2], converted: false });
    expect(stampExtra(text, { id: "x" })).toEqual({ a: 1, b: 2, extra: { task_id: "x" } });
    expect(stampExtra(new JsonText("[1]"), { id: "x" })).toEqual({ raw: [1], extra: { is_raw: true, task_id: "x" } });
  });
});

test("headers are copied on both ways", () => {
  const headers = { tenant: "one" };
  const body = encodeBody(one, [1], { headers }, "q");
  headers.tenant = "two";
  const { limits } = decodeBody(body, one, undefined);
  Object.assign(limits.headers ?? {}, { tenant: "three" });
  expect(decodeBody(body, one, undefined).limits.headers).toEqual({ tenant: "one" });
});
