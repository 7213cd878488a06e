/** A task's broker and queue, opened at the first use. */
import { memory } from "funboost/adapters/memory";
import { afterEach, expect, it, vi } from "vitest";
import { processWide } from "../../../src/base/process-wide.ts";
import type { Broker } from "../../../src/contract/broker.ts";
import { defineFunction } from "../../../src/setup/function-definition.ts";
import { checkDefinitions, openTask } from "../../../src/setup/open.ts";
import { openBroker } from "../../../src/setup/open-broker.ts";

afterEach(() => processWide("brokers", () => new Map())().clear());
const taskOn = (broker: Broker | string, queue = "q") =>
  defineFunction({ queue, broker: broker as Broker, log: false }, () => 1);

it("opens a broker and a queue once, for all who ask", async () => {
  const broker = memory();
  const open = vi.spyOn(broker, "open");
  const definition = taskOn(broker);
  const [task, again] = await Promise.all([openTask(definition), openTask(definition)]);
  expect(again).toBe(task);
  expect(definition.open).toBe(task);
  expect(open).toHaveBeenCalledTimes(1);
  expect(await openBroker(broker)).toBe(await openBroker(broker));
  expect(task).toMatchObject({ brokerName: "memory", scope: "memory:q", recorder: undefined, outbox: undefined });
});

it("opens the dead letters when they are first asked for, and again after a failure", async () => {
  const broker = memory();
  const open = vi.spyOn(broker, "open");
  const task = await openTask(taskOn(broker));
  open.mockRejectedValueOnce(new Error("away"));
  await expect(task.deadLetters()).rejects.toThrow("away");
  expect(await task.deadLetters()).toBe(await task.deadLetters());
  expect(open.mock.calls.map(([spec]) => spec.queue)).toEqual(["q", "q_dlx", "q_dlx"]);
});

it("tries again after a failure", async () => {
  const broker = memory();
  vi.spyOn(broker, "open").mockRejectedValueOnce(new Error("away"));
  const definition = taskOn(broker);
  await expect(openTask(definition)).rejects.toThrow("away");
  expect(await openTask(definition)).toBe(definition.open);
});

it("says what brokers there are, and all that is wrong with several tasks", async () => {
  await expect(openTask(taskOn("nosuch"))).rejects.toThrow(
    '[funboost] There is no broker "nosuch". Brokers are known by name only with "funboost"; with "funboost/core"',
  );
  await expect(checkDefinitions([taskOn("a", "one"), taskOn(memory()), taskOn("b", "two")])).rejects.toThrow(
    /2 tasks cannot be used:\n- one \(a\): .*\n- two \(b\): /,
  );
});
