import { expect, it } from "vitest";
import { itemToMessage, rawToMessage, toMessage } from "../../../src/publish/to-message.ts";
import { define } from "../../../src/setup/definition.ts";

const definition = define({ queue: "to-message" }, (_n: number) => {});

it("carries only what its options say", () => {
  expect(toMessage(definition, [1], undefined)).toEqual({ body: expect.objectContaining({ _n: 1 }) });
  expect(toMessage(definition, [1], { taskId: "a", delay: 500 })).toMatchObject({ id: "a", delayMs: 500 });
});

it("has its priority in the body too, for the dead letter that comes back", () => {
  const { priority, body } = toMessage(definition, [1], { priority: 7 });
  expect([priority, JSON.stringify(body)]).toEqual([7, expect.stringContaining('"priority":7')]);
});

it("of a list needs arguments, and says which item has none", () => {
  expect(itemToMessage(definition, { args: [1], taskId: "a" }, 0)).toMatchObject({ id: "a" });
  expect(() => itemToMessage(definition, { taskId: "a" } as never, 3)).toThrow(/item 3 of the list needs "args"/);
});

it("that is raw is sent as it is, bytes as text", () => {
  expect(rawToMessage(definition, [1, { a: 2 }])).toEqual({ body: [1, { a: 2 }] });
  expect(rawToMessage(definition, new TextEncoder().encode("é"))).toEqual({ body: "é" });
  expect(() => rawToMessage(definition, undefined)).toThrow("publishRaw() takes text or a JSON value");
});
