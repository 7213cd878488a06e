/** The limits of one message: what travels in its `extra`. */
import { describe, expect, test } from "vitest";
import { stringifyJson } from "../../../src/base/json.ts";
import { decodeBody, encodeBody } from "../../../src/wire/call.ts";
import type { MessageLimits } from "../../../src/wire/limits.ts";
import { readSignature } from "../../../src/wire/signature.ts";
import { readExtra } from "../../../src/wire/stamp.ts";

const add = readSignature((a: number, b: number, c = 3) => a + b + c, ["a", "b", "c?"]);
const two = readSignature((file: string, height: number) => `${file}${height}`);
const none = readSignature(() => 1);
const destructured = readSignature(({ file, height = 1 }: { file: string; height?: number }) => `${file}${height}`);
const withDefault = ({ file = "x" } = {}) => file;
const optionalObject = readSignature(withDefault);

describe("limits of one message", () => {
  const limits: MessageLimits = {
    maxRetries: 0,
    timeoutMs: 1500,
    expireAfterMs: 0,
    rpc: false,
    etaMs: 1795241242253,
    misfireGraceMs: 2000,
    headers: { traceparent: "00-a" },
  };

  test("travel in seconds and come back, 0 and false too", () => {
    const body = encodeBody(two, ["a", 1], limits, "q");
    expect(body.extra).toEqual({
      order: ["file", "height"],
      max_retry_times: 0,
      function_timeout: 1.5,
      msg_expire_seconds: 0,
      is_using_rpc_mode: false,
      eta: "2026-11-21T06:07:22.253Z",
      misfire_grace_time: 2,
      headers: { traceparent: "00-a" },
    });
    expect(decodeBody(stringifyJson(body), two, undefined).limits).toEqual(limits);
  });

  test.each([
    ["named", add, [1, 2]],
    ["object", destructured, [{ file: "a" }]],
    ["no parameters", none, []],
    ["no argument", optionalObject, []],
  ])("with %s", (_, signature, args) => {
    const body = encodeBody(signature, args, { maxRetries: 2 }, "q");
    expect(decodeBody(body, signature, undefined)).toMatchObject({ args, limits: { maxRetries: 2 }, foreign: false });
  });

  const etaOf = (extra: object, publishedAt?: number) =>
    decodeBody({ extra }, none, undefined, publishedAt).limits.etaMs;

  test("a countdown counts from the publish time, else from what the engine knows; an eta wins", () => {
    expect(etaOf({ countdown: 2.5, publish_time: 1795241242.25 })).toBe(1795241244750);
    expect(etaOf({ countdown: 2 }, 1000)).toBe(3000);
    expect(etaOf({ countdown: 2 })).toBeUndefined();
    expect(etaOf({ countdown: 2, publish_time: 5, eta: 1795241242 })).toBe(1795241242000);
  });

  test.each<[object, string]>([
    [{ max_retry_times: "7" }, '[funboost] extra.max_retry_times is "7". Needed: a whole number from 0.'],
    [{ max_retry_times: -1 }, "extra.max_retry_times is -1."],
    [{ function_timeout: "5s" }, 'extra.function_timeout is "5s". Needed: seconds from 0 to the end of the year 9999.'],
    [{ msg_expire_seconds: -1 }, "extra.msg_expire_seconds is -1."],
    [{ is_using_rpc_mode: "yes" }, 'extra.is_using_rpc_mode is "yes". Needed: true or false.'],
    [
      { eta: "tomorrow" },
      'extra.eta is "tomorrow". Needed: "YYYY-MM-DD HH:MM:SS", an ISO time, or epoch seconds, before',
    ],
    [{ eta: "2026-02-30 00:00:00" }, "extra.eta is"],
    [{ eta: "2026-02-28 25:00:00" }, "extra.eta is"],
    [{ eta: "9999-12-31 23:59:59 -12:00" }, "extra.eta is"],
    [{ headers: [] }, "extra.headers is an array of 0. Needed: an object of texts."],
    [{ order: "a" }, 'extra.order is "a". Needed: a list of names.'],
    [{ order: [1] }, "extra.order holds 1. Needed: names."],
  ])("%j is a bad message", (extra, message) => {
    expect(() => decodeBody({ extra }, two, undefined)).toThrow(message);
    expect(() => decodeBody({ extra }, two, undefined)).toThrow(expect.objectContaining({ code: "BAD_MESSAGE" }));
  });

  test("null says nothing", () => {
    expect(
      decodeBody(
        { extra: { max_retry_times: null, eta: null, order: null, other_extra_params: null } },
        none,
        undefined,
      ).limits,
    ).toEqual({});
    expect(readExtra({ extra: { other_extra_params: null } })).toEqual({});
  });
});
