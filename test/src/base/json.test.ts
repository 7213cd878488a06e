import { describe, expect, test, vi } from "vitest";
import {
  asBody,
  bodyText,
  bodyValue,
  JsonText,
  maxDigits,
  maxLevels,
  parseJson,
  stringifyJson,
} from "../../../src/base/json.ts";

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

  test("what has a row of digits is else read as JSON.parse reads it", () => {
    const text =
      '{"a":1,"a":2,"__proto__":{"x":1},"long":"1111111111111111","s":"\\u00fc\\n","t":true,"n":null,"z":-0}';
    const value = parseJson(text) as Record<string, unknown>;
    expect(value).toEqual(JSON.parse(text));
    expect(Object.keys(value)).toEqual(Object.keys(JSON.parse(text)));
    expect(() => parseJson('{"a":1111111111111111')).toThrow(SyntaxError);
  });

  test("are found wherever a value can be, and nowhere else", () => {
    const big = "12345678901234567890";
    const text = ` { "a\\\\" : [ ${big} , -${big}\t] , "\\"${big}" : {"x":${big}\n}, "s":"\\\\\\"${big},", "__proto__":${big} }`;
    const value = parseJson(text) as Record<string, unknown>;
    expect(Object.entries(value)).toEqual([
      ["a\\", [12345678901234567890n, -12345678901234567890n]],
      [`"${big}`, { x: 12345678901234567890n }],
      ["s", `\\"${big},`],
      ["__proto__", 12345678901234567890n],
    ]);
    expect(parseJson(big)).toBe(12345678901234567890n);
    expect(parseJson(`[0.${big},1e-${big},${big}.5,${big}e3,1.5]`)).toEqual(
      JSON.parse(`[0.${big},1e-${big},${big}.5,${big}e3,1.5]`),
    );
    for (const broken of [`{${big}:1}`, `0${big}`, `+${big}`, `[${big} ${big}]`, `1${big}x`, `--${big}`, `{"a":${big}`])
      expect(() => parseJson(broken), broken).toThrow(SyntaxError);
  });

  test("of more digits than are read are refused, and texts of as many are not", () => {
    const most = "7".repeat(maxDigits);
    expect(parseJson(`{"n":${most},"m":-${most}}`)).toEqual({ n: BigInt(most), m: -BigInt(most) });
    for (const text of [`{"n":${most}7}`, `[-${most}7]`, `0.${most}7`, `1e${most}7`])
      expect(() => parseJson(text), text.slice(0, 9)).toThrow(expect.objectContaining({ code: "BAD_MESSAGE" }));
    expect(parseJson(`{"s":"${most}7"}`)).toEqual({ s: `${most}7` });
  });

  test("a text of megabytes is read about as fast as JSON.parse reads it", () => {
    const rows = Array.from({ length: 35 }, () => `"${"7".repeat(100_000)}"`).join(",");
    const text = `{"l":[${rows}],"n":12345678901234567890,"t":"${'\\"'.repeat(100_000)}"}`;
    const flat = `${"[".repeat(maxLevels - 2)}12345678901234567890${"]".repeat(maxLevels - 2)}`;
    const deep = `[${Array.from({ length: 100 }, () => flat).join(",")}]`;
    const ms = (work: () => unknown) => {
      const times = [1, 2, 3].map(() => {
        const from = performance.now();
        work();
        return performance.now() - from;
      });
      return Math.min(...times);
    };
    const native = ms(() => [JSON.parse(text), JSON.parse(deep)]);
    expect(ms(() => [parseJson(text), parseJson(deep)])).toBeLessThan(20 * native + 20);
    const long = `{"n":${"7".repeat(5_000_000)}}`;
    expect(ms(() => expect(() => parseJson(long)).toThrow("more than 4300 digits"))).toBeLessThan(
      20 * ms(() => JSON.parse(long)),
    );
  });

  test("a text of more levels than can be copied is refused, and one of as many brackets is not", () => {
    const nested = (levels: number) => `${'{"a":['.repeat(levels / 2)}${"]}".repeat(levels / 2)}`;
    expect(JSON.stringify(parseJson(nested(maxLevels)))).toBe(nested(maxLevels));
    const refusal = expect.objectContaining({ code: "BAD_MESSAGE", message: expect.stringContaining("1100 levels") });
    for (const levels of [maxLevels + 2, 200_000]) expect(() => parseJson(nested(levels))).toThrow(refusal);
    const wide = `[${'{"a":[1,"\\"[{"]},'.repeat(5_000)}"${"[{".repeat(5_000)}"]`;
    expect(parseJson(wide)).toEqual(JSON.parse(wide));
    expect(() => parseJson(`["]]]\\"]]]",${nested(maxLevels)}]`)).toThrow(refusal);
    expect(() => asBody(JSON.parse(nested(maxLevels + 2)))).toThrow(refusal);
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
