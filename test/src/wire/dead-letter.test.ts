/** The body of a dead letter, and what it was before. */
import { describe, expect, test } from "vitest";
import { stringifyJson } from "../../../src/base/json.ts";
import { decodeBody, encodeBody } from "../../../src/wire/call.ts";
import { deadLetterBody, redrivenMessage } from "../../../src/wire/dead-letter.ts";
import { readSignature } from "../../../src/wire/signature.ts";
import { readExtra, stampExtra } from "../../../src/wire/stamp.ts";

const two = readSignature((file: string, height: number) => `${file}${height}`);
const one = readSignature((job: unknown) => job);

describe("deadLetterBody", () => {
  const facts = { reason: "retries used up", attempts: 4, queue: "q", error: { name: "Error", message: "x" } };

  test("keeps the body, adds what happened, starts with a fresh count", () => {
    const body = stampExtra(encodeBody(two, ["a", 1], undefined, "q"), { id: "x", attempt: 4 });
    const dead = deadLetterBody(body, facts);
    expect(dead).toEqual({
      file: "a",
      height: 1,
      extra: {
        order: ["file", "height"],
        task_id: "x",
        reason: "retries used up",
        attempts: 4,
        dead_from: "q",
        error: { name: "Error", message: "x" },
      },
    });
    expect(decodeBody(dead, two, undefined).args).toEqual(["a", 1]);
    expect(readExtra(dead)).toEqual({ id: "x" });
  });

  test.each<[unknown, unknown]>([
    ["hello", "hello"],
    ['{"a":', '{"a":'],
    [Buffer.from("bytes ü"), "bytes ü"],
    ["[1,2]", "[1,2]"],
    [
      [1, 2],
      [1, 2],
    ],
    [null, null],
    [5, 5],
  ])("%j goes there as raw, and is the same when it comes back", (raw, kept) => {
    const dead = deadLetterBody(raw, { reason: "no JSON", queue: "q" });
    expect(dead).toMatchObject({ raw: kept, extra: { reason: "no JSON", dead_from: "q" } });
    expect(decodeBody(stringifyJson(dead), two, (each) => [each]).args).toEqual([kept]);
    expect(() => decodeBody(dead, one, undefined)).toThrow("Needed: a JSON object.");
  });
});

describe("redrivenMessage", () => {
  test("is the message as it was, under its own id and with the letter's name", () => {
    const body = stampExtra(encodeBody(two, ["a", 1], undefined, "q"), { id: "x", priority: 3, attempt: 4 });
    const dead = deadLetterBody(body, { reason: "retries used up", attempts: 4, queue: "q", letter: "x.1" });
    const { body: again, ...facts } = redrivenMessage("letter-id", stringifyJson(dead));
    expect(facts).toEqual({ id: "x", priority: 3, letter: "x.1", from: "q" });
    expect(again).toMatchObject({ file: "a", height: 1, extra: { order: ["file", "height"], dead_letter: "x.1" } });
    expect(decodeBody(again, two, undefined)).toMatchObject({ args: ["a", 1], limits: { deadLetter: "x.1" } });
  });

  test("without a letter's name it is what it was, without its times", () => {
    const dead = deadLetterBody(
      { url: "a", extra: { countdown: 5, headers: { a: "b" } } },
      { reason: "r", queue: "q" },
    );
    expect(redrivenMessage("1", dead)).toEqual({
      id: "1",
      from: "q",
      body: { url: "a", extra: { headers: { a: "b" } } },
    });
  });

  test.each(["hello", "[1,2]", [1, 2]])("a raw body comes back: %j", (raw) => {
    expect(redrivenMessage("1", deadLetterBody(raw, { reason: "r", queue: "q" })).body).toEqual(raw);
  });

  test("what we did not bury is left as it is", () => {
    expect(redrivenMessage("1", "text")).toEqual({ id: "1", body: "text" });
  });
});
