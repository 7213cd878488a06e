/** How many polls a Temporal consumer keeps open. */
import { describe, expect, it } from "vitest";
import type { PollAnswer } from "../../../../adapters/temporal/connect/protocol.ts";
import { createPolls } from "../../../../adapters/temporal/consume/polls.ts";
import { sleep } from "../../../../src/base/clock.ts";

describe("polls", () => {
  const task = { taskToken: new Uint8Array([1]) } as PollAnswer;
  const nothing = { taskToken: new Uint8Array() } as PollAnswer;
  function polls(window: number) {
    const asked: { resolve(answer: PollAnswer): void; reject(error: Error): void }[] = [];
    const [stop, errors] = [new AbortController(), [] as unknown[]];
    const state = { window, held: 0, fetches: 0 };
    const made = createPolls({
      ask: () => new Promise((resolve, reject) => void asked.push({ resolve, reject })),
      room: () => state.window - state.held,
      onTask: () => state.held++,
      onError: (error) => errors.push(error),
      onPoll: () => state.fetches++,
      stop: stop.signal,
    });
    const answer = async (with_: PollAnswer, times = 1) => {
      for (let i = 0; i < times; i++) asked.shift()?.resolve(with_);
      await sleep(0);
    };
    return { ...made, asked, state, stop, errors, answer };
  }

  it("are two while nothing comes, ten while tasks come, and two again", async () => {
    const { fill, open, answer } = polls(100);
    fill();
    expect(open()).toBe(2);
    await answer(task, 20);
    for (let i = 0; i < 8; i++) await answer(task);
    expect(open()).toBe(10);
    await answer(nothing, 10);
    expect(open()).toBe(2);
  });
  it("are never more than there is room for", async () => {
    const { fill, open, answer, state } = polls(3);
    fill();
    await answer(task, 2);
    expect([open(), state.held]).toEqual([1, 2]);
    await answer(task);
    fill();
    expect(open()).toBe(0);
    state.held = 0;
    fill();
    expect(open()).toBe(3);
    state.window = 0;
    await answer(nothing, 3);
    expect(open()).toBe(0);
  });
  it("rest after a failure, which is told once, and count as fetches again when one is answered", async () => {
    const { fill, open, asked, errors, state, answer } = polls(5);
    fill();
    for (const each of asked.splice(0)) each.reject(new Error("away"));
    await sleep(0);
    fill();
    expect([open(), errors.length]).toEqual([0, 1]);
    await expect.poll(() => open()).toBe(2);
    expect(state.fetches).toBe(2);
    await answer(nothing);
    expect(state.fetches).toBe(4); // its end, and the next one's begin
  });
  it("are not opened after the end, but what they bring is handed on", async () => {
    const { fill, open, answer, stop, state } = polls(5);
    fill();
    stop.abort();
    await answer(task);
    expect([open(), state.held]).toEqual([1, 1]);
  });
});
