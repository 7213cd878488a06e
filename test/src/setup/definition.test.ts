/** What boost() was given, and where it is found again. */
import { beforeEach, expect, it } from "vitest";
import { processWide } from "../../../src/base/process-wide.ts";
import type { BrokerName } from "../../../src/contract/brokers.ts";
import {
  allDefinitions,
  definePublisher,
  definitionOn,
  findDefinition,
  queues,
  register,
} from "../../../src/setup/definition.ts";
import { defineFunction } from "../../../src/setup/function-definition.ts";
import type { Definition } from "../../../src/setup/model.ts";

beforeEach(() => processWide("definitions", () => new Map<string, Definition[]>())().clear());
const registered = (queue: string, broker?: BrokerName) => {
  const definition = defineFunction({ queue, ...(broker && { broker }) }, (n: number) => n);
  register(definition);
  return definition;
};

it("is found by its queue, and by its broker where several are on it", () => {
  const onSqlite = registered("mail");
  expect(findDefinition("mail")).toBe(onSqlite);
  expect(findDefinition("mail", "sqlite")).toBe(onSqlite);
  const onMemory = registered("mail", "memory");
  expect(findDefinition("mail", "memory")).toBe(onMemory);
  expect(definitionOn({ queue: "mail", broker: "memory" })).toBe(onMemory);
  expect(() => findDefinition("mail")).toThrow(
    /Several tasks are defined on queue "mail", on sqlite, memory\. Say which/,
  );
  expect([findDefinition("other"), findDefinition("mail", "bullmq")]).toEqual([undefined, undefined]);
});

it("takes the place of an older one on the same queue and broker", () => {
  registered("mail");
  const newer = registered("mail");
  registered("other");
  expect(allDefinitions()).toHaveLength(2);
  expect(findDefinition("mail")).toBe(newer);
  expect(queues()).toEqual(["mail", "other"]);
});

it("reads names from the function, else from params, else takes any by position", () => {
  const names = (params: object) => definePublisher({ queue: "q", ...params }).signature;
  const read = defineFunction({ queue: "q" }, (file: string) => file).signature;
  expect(read).toMatchObject({ kind: "positional", names: ["file"] });
  expect(names({ params: ["file?", "...sizes"] })).toMatchObject({
    kind: "named",
    names: ["file", "sizes"],
    rest: true,
  });
  expect(names({ params: "object" })).toMatchObject({ kind: "object", required: 1 });
  expect(names({})).toMatchObject({ kind: "positional", rest: true });
});
