import { describe, expect, test, vi } from "vitest";
import { asBody, bodyText, bodyValue, JsonText, parseJson, stringifyJson } from "../../../src/base/json.ts";

describe("integers above 2^53", () => {
  test("become bigint, and nothing else does", () => {
    expect(
      parseJson(
        '{"id":12345678901234567890,"neg":-9007199254740993,"safe":9007199254740991,"f":1234567890.1234567,' +
          '"e":1e30,"s":"12345678901234567890"}',
      ),
    ).toEqual({
      id: 12345678901234567890n,
      neg: -9007199254740993n,
      safe: 9007199254740991,
      f: 1234567890.1234567,
      e: 1e30,
      s: "12345678901234567890",
    });
  });

  test("stay numbers where a number has all their digits: JavaScript wrote them", () => {
    const numbers = [2 ** 53, -(2 ** 53), 1e17, 1795241242123 * 1e6, 2 ** 63, 1e20, 1e21, 123456789012345680];
    expect(parseJson(JSON.stringify(numbers))).toEqual(numbers);
    expect(parseJson("[9007199254740993,1000000000000000000000]")).toEqual([9007199254740993n, 10n ** 21n]);
  });

  test("survive the way there and back", () => {
    const text = '{"id":12345678901234567890,"list":[-9007199254740993,1.5,"ü"]}';
    expect(stringifyJson(parseJson(text))).toBe(text);
  });

  test("the slow parser agrees with JSON.parse", () => {
    const text =
      '{"a":1,"a":2,"__proto__":{"x":1},"long":"1111111111111111","s":"\\u00fc\\n","t":true,"n":null,"z":-0}';
    const value = parseJson(text) as Record<string, unknown>;
    expect(value).toEqual(JSON.parse(text));
    expect(Object.keys(value)).toEqual(Object.keys(JSON.parse(text)));
    expect(() => parseJson('{"a":1111111111111111')).toThrow(SyntaxError);
  });

  test("other text goes through JSON.parse", () => {
    expect(parseJson('{"a":[1,2.5,"x",null,true]}')).toEqual({ a: [1, 2.5, "x", null, true] });
    expect(() => parseJson("{")).toThrow(SyntaxError);
  });
});

describe("stringifyJson", () => {
  test("is JSON.stringify, with null for nothing", () => {
    const value = { a: [1, "ü", null], left: undefined };
    expect(stringifyJson(value)).toBe(JSON.stringify(value));
    expect(stringifyJson(undefined)).toBe("null");
  });

  test("does not hide other errors", () => {
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(() => stringifyJson(cycle)).toThrow(/circular/i);
  });
});

describe("a body that is JSON text", () => {
  const body = new JsonText('{"a":[1]}');

  test("is that text, and its value to whoever wants one", () => {
    expect([bodyText(body), bodyValue(body)]).toEqual(['{"a":[1]}', { a: [1] }]);
    expect(JSON.stringify({ body })).toBe('{"body":{"a":[1]}}');
  });

  test("any other value is itself, and its JSON", () => {
    expect([bodyText({ a: 1 }), bodyText("x"), bodyText(null)]).toEqual(['{"a":1}', '"x"', "null"]);
    expect([bodyValue("x"), bodyValue(5)]).toEqual(["x", 5]);
  });

  test("is made of all but what holds a bigint, which goes as plain text", () => {
    expect(asBody({ a: 1 })).toEqual(new JsonText('{"a":1}'));
    expect(asBody({ a: 5n })).toBe('{"a":5}');
  });

  test("is known to other copies of the package", async () => {
    vi.resetModules();
    const other = await import("../../../src/base/json.ts");
    expect(other.JsonText).not.toBe(JsonText);
    expect(bodyText(new other.JsonText("[1]"))).toBe("[1]");
  });
});
