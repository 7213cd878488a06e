import { expect, it } from "vitest";
import { bodyValue, JsonText } from "../../../src/base/json.ts";
import { itemToMessage, rawToMessage, toMessage } from "../../../src/publish/to-message.ts";
import { defineFunction } from "../../../src/setup/function-definition.ts";

const definition = defineFunction({ queue: "to-message" }, (_n: number) => {});

it("carries only what its options say", () => {
  const { body, ...rest } = toMessage(definition, [1], undefined);
  expect([body, rest]).toEqual([new JsonText('{"_n":1,"extra":{"order":["_n"]}}'), {}]);
  expect(toMessage(definition, [1], { taskId: "a", delay: 500 })).toMatchObject({ id: "a", delayMs: 500 });
});

it("has its priority in the body too, for the dead letter that comes back", () => {
  const { priority, body } = toMessage(definition, [1], { priority: 7 });
  expect([priority, JSON.stringify(body)]).toEqual([7, expect.stringContaining('"priority":7')]);
});

it("of a list needs arguments, and says which item has none", () => {
  expect(itemToMessage(definition, { args: [1], taskId: "a" }, 0)).toMatchObject({ message: { id: "a" } });
  expect(() => itemToMessage(definition, { taskId: "a" } as never, 3)).toThrow(/item 3 of the list needs "args"/);
});

it("that is raw is sent as it is, bytes as text", () => {
  expect(rawToMessage(definition, [1, { a: 2 }])).toEqual({ body: new JsonText('[1,{"a":2}]') });
  expect(rawToMessage(definition, new TextEncoder().encode("é"))).toEqual({ body: "é" });
  expect(() => rawToMessage(definition, undefined)).toThrow("publishRaw() takes text or a JSON value");
});

it("that is raw and no JSON is refused, and one with a bigint goes as text", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  expect(() => rawToMessage(definition, cycle)).toThrow(expect.objectContaining({ code: "BAD_ARGS" }));
  expect(rawToMessage(definition, { id: 5n })).toEqual({ body: '{"id":5}' });
});

it("holds a copy of its arguments, as a value where the queue keeps values", () => {
  const given = { list: [1] };
  const open = { queue: { keepsValues: true } } as never;
  const text = toMessage({ ...definition, open: undefined }, [given], { headers: { a: "1" } });
  const value = toMessage({ ...definition, open }, [given], undefined);
  given.list.push(2);
  expect(bodyValue(text.body)).toMatchObject({ _n: { list: [1] }, extra: { headers: { a: "1" } } });
  expect(value.body).toMatchObject({ _n: { list: [1] } });
});
