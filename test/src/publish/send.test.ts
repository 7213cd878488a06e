import { channel } from "node:diagnostics_channel";
import { configure, shutdown } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { FunboostError } from "../../../src/base/errors.ts";
import type { BrokerQueue, Message } from "../../../src/contract/index.ts";
import { send } from "../../../src/publish/send.ts";
import { defineFunction } from "../../../src/setup/function-definition.ts";
import { openTask } from "../../../src/setup/open.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

const messages: readonly Message[] = [{ body: { n: 1 } }, { body: { n: 2 } }];

async function open(publish: BrokerQueue["publish"], params: object = {}) {
  const opened = await openTask(defineFunction({ queue: "send", broker: memory(), ...params }, (_n: number) => {}));
  return { ...opened, queue: { ...opened.queue, publish } };
}

describe("a publish that fails", () => {
  it("says what was accepted before it and of it, and how much is not confirmed", async () => {
    const cause = Object.assign(new Error("half"), { accepted: ["b"] });
    const task = await open(() => Promise.reject(cause));
    await expect(send(task, messages, [{ id: "a" }])).rejects.toMatchObject({
      code: "PUBLISH_FAILED",
      accepted: ["a", "b"],
      cause,
      message: '[funboost] [memory] queue "send": 2 messages were not confirmed. Accepted: a, b. half',
    });
  });

  it("because it was refused before anything was sent says so in the engine's words", async () => {
    const refusal = new FunboostError("BAD_QUEUE", "no such name");
    const task = await open(() => Promise.reject(refusal));
    await expect(send(task, messages)).rejects.toBe(refusal);
  });

  it("by its deadline, and lists no more than twenty ids", async () => {
    const task = await open(() => new Promise(() => {}), { publishTimeout: 20 });
    const before = Array.from({ length: 21 }, (_, n) => ({ id: `${n}` }));
    await expect(send(task, messages.slice(1), before)).rejects.toThrow(
      /1 message was not confirmed\. Accepted: 21 ids, see error\.accepted\. .*publishing to queue "send" was not answered/,
    );
  });
});

it("tells of each message that was known", async () => {
  const task = await open(async () => [{ id: "a" }, { id: "b", existing: true }]);
  const told: unknown[] = [];
  const listen = (fields: unknown) => told.push(fields);
  channel("funboost:duplicate").subscribe(listen);
  await send(task, messages);
  channel("funboost:duplicate").unsubscribe(listen);
  expect(told).toEqual([{ queue: "send", broker: "memory", taskId: "b" }]);
});
