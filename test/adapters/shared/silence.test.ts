import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { giveUpWhenSilent, patience } from "../../../adapters/shared/silence.ts";
import { setClock } from "../../../src/base/clock.ts";
import { handClock } from "../../support/hand-clock.ts";

afterEach(() => setClock());

function connection(seconds: () => number = () => patience.ready) {
  const stream = Object.assign(new EventEmitter(), {
    bytesRead: 0,
    _handle: { writeQueueSize: 0 },
    error: undefined as Error | undefined,
    destroy(error: Error) {
      stream.error = error;
      stream.emit("close");
    },
  });
  const answers = { pings: 0 };
  giveUpWhenSilent(stream as unknown as Socket, { ping: () => void answers.pings++, patience: seconds });
  return { stream, answers };
}

it("asks once for a sign of life, and gives up after six looks, each a second apart and up to a quarter more", async () => {
  const time = handClock();
  const { stream, answers } = connection();
  await time.pass(1_900);
  expect(answers.pings).toBe(0);
  await time.pass(3_900);
  expect([answers.pings, stream.error]).toEqual([1, undefined]);
  await time.pass(1_750);
  expect(stream.error).toMatchObject({ code: "ETIMEDOUT", message: expect.stringContaining("timed out") });
  expect(answers.pings).toBe(1);
});

it("any answer is a sign of life, and each silence is counted anew", async () => {
  const time = handClock();
  const { stream, answers } = connection();
  for (let n = 1; n <= 10; n++) {
    await time.pass(4_000);
    stream.bytesRead++;
  }
  expect(stream.error).toBeUndefined();
  expect(answers.pings).toBeGreaterThan(5);
});

it("a process that stood still looks once more, and finds the answer", async () => {
  const time = handClock();
  const { stream } = connection();
  for (let n = 0; n < 10; n++) {
    time.standStill(60_000);
    await time.pass(1);
    stream.bytesRead++; // it lay there
    await time.pass(1_300);
  }
  expect(stream.error).toBeUndefined();
});

it("a server that was asked to wait may be silent for as long", async () => {
  const time = handClock();
  let seconds: number = Number.POSITIVE_INFINITY;
  const { stream } = connection(() => seconds);
  await time.pass(20_000);
  expect(stream.error).toBeUndefined();
  seconds = patience.ready;
  await time.pass(1_300);
  expect(stream.error).toBeDefined();
});

it("connections do not give up in one moment", async () => {
  const time = handClock();
  const all = Array.from({ length: 40 }, () => connection());
  const given: number[] = [];
  for (let n = 0; n < 16; n++) {
    await time.pass(500);
    given.push(all.filter(({ stream }) => stream.error).length);
  }
  expect(given.at(-1)).toBe(40);
  expect(new Set(given).size).toBeGreaterThan(2); // none, some, all
});

it("what has closed is looked at no more", async () => {
  const time = handClock();
  const { stream, answers } = connection();
  stream.emit("close");
  await time.pass(10_000);
  expect([answers.pings, stream.error]).toEqual([0, undefined]);
});

it("a large message that leaves slowly is no silence; one that does not leave is", async () => {
  const time = handClock();
  const { stream } = connection();
  for (let left = 20; left > 0; left--) {
    stream._handle.writeQueueSize = left * 1_000_000;
    await time.pass(1_300);
  }
  expect(stream.error).toBeUndefined();
  for (let n = 0; n < 8; n++) {
    stream._handle.writeQueueSize += 1_000; // more is written meanwhile
    await time.pass(1_300);
  }
  expect(stream.error).toBeDefined();
});
