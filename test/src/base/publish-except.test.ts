import { expect, it, vi } from "vitest";
import { publishExcept } from "../../../src/base/publish-except.ts";
import type { Message } from "../../../src/contract/index.ts";

const publish = () =>
  vi.fn(async (messages: readonly Message[]) => messages.map(({ body }) => ({ id: `new ${body}` })));
const messages: readonly Message[] = ["a", "b", "c"].map((body) => ({ body }));
const [a, b, c] = messages as [Message, Message, Message];

it("publishes the rest, and answers in the order of the messages", async () => {
  const publishing = publish();
  const known = new Map([
    [a, { id: "1" }],
    [c, { id: "3", existing: true }],
  ]);
  const answers = await publishExcept(messages, known, publishing);
  expect(answers).toEqual([{ id: "1" }, { id: "new b" }, { id: "3", existing: true }]);
  expect(publishing.mock.calls).toEqual([[[b]]]);
});

it("publishes all where nothing is known, and nothing where all is", async () => {
  const publishing = publish();
  await publishExcept(messages, new Map(), publishing);
  await publishExcept(messages, new Map(messages.map((each) => [each, { id: "x" }])), publishing);
  expect(publishing.mock.calls).toEqual([[messages]]);
});
