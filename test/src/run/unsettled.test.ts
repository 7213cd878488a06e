/** What cannot be settled is tried again ever later, then a dead letter; nothing is lost, and nothing else stops. */
import { boost, configure, type LogLine, shutdown, type TaskParams, wrapBroker } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import type { Delivery } from "../../../src/contract/index.ts";
import { handClock } from "../../support/hand-clock.ts";

configure({ signals: false, log: { level: "silent" } });

afterEach(async () => {
  setClock();
  await shutdown({ grace: 100 });
});

/** Stands for a fault of our own: the core cannot end what it reads this of. */
const unsettleable = (delivery: Delivery): Delivery =>
  Object.defineProperty({ ...delivery }, "signal", {
    get() {
      throw new TypeError("no signal to read");
    },
  });

function setUp(params: Partial<TaskParams> = {}, deliver = unsettleable) {
  const tries: unknown[] = [];
  const runs: string[] = [];
  const letters = { fail: false };
  const broker = wrapBroker(memory(), (queue, name) => ({
    publish(messages) {
      if (letters.fail && name.endsWith("_dlx")) throw new Error("no room for dead letters");
      return queue.publish(messages);
    },
    consume: (handler, options) => queue.consume((delivery) => handler(deliver(delivery)), options),
  }));
  const filter = ({ fields, text }: LogLine) => {
    if (text.startsWith("a delivery could not be settled")) tries.push(fields.tries);
    return false;
  };
  const task = boost(
    {
      queue: "unsettled",
      broker,
      concurrency: 1,
      maxRetries: 0,
      rpc: true,
      log: { level: "error", filter },
      ...params,
    },
    (kind: string) => {
      runs.push(kind);
      if (kind === "bad") throw new Error("no");
    },
  );
  return { task, tries, runs, letters };
}

it("after five tries with a growing delay it is a dead letter with the reason, and answers", async () => {
  const clock = handClock();
  const { task, tries, runs } = setUp();
  await task.consume();
  const bad = await task.push("bad");
  await clock.pass(2_900);
  expect(tries).toEqual([1, 2]);
  await task.push("good");
  await clock.pass(10);
  expect(runs).toEqual(["bad", "bad", "good"]);
  await clock.pass(12_500);
  expect(tries).toEqual([1, 2, 3, 4, 5]);
  const [letter] = await task.deadLetters.list();
  expect(letter?.body).toMatchObject({
    extra: { reason: expect.stringContaining("could not be settled in 5 tries: no signal to read") },
  });
  expect(await bad.waitRecord()).toMatchObject({ status: "dead", error: { code: "DEAD_LETTER" } });
  expect(await task.count()).toBe(0);
});

it("where no dead letter can be written it waits on, ever later", async () => {
  const clock = handClock();
  const { task, tries, letters } = setUp();
  letters.fail = true;
  await task.consume();
  await task.push("bad");
  await clock.pass(200_000); // tries after 1, 3, 7, 15, 31, 63, 123 and 183 s
  expect(tries).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(await task.count()).toBe(1);
  letters.fail = false;
  await clock.pass(60_000);
  expect([await task.count(), await task.deadLetters.count()]).toEqual([0, 1]);
});

it("what failed for good and cannot be put into the dead letters is tried again ever later", async () => {
  const clock = handClock();
  const { task, runs, letters } = setUp({ deadLetter: true, queue: "unburied" }, (delivery) => delivery);
  letters.fail = true;
  await task.consume();
  await task.push("bad");
  await clock.pass(33_000);
  expect(runs.length).toBe(6); // after 1, 3, 7, 15 and 31 s
  letters.fail = false;
  await clock.pass(33_000);
  expect([await task.count(), await task.deadLetters.count()]).toEqual([0, 1]);
});

it("of a filter, leaves its key to equal messages when its claim has lapsed", async () => {
  const clock = handClock();
  const { task, tries, runs } = setUp({ queue: "unsettled-filter", filter: true });
  await task.consume();
  await task.push("bad");
  await clock.pass(16_000);
  expect(tries).toEqual([1, 2, 3, 4, 5]);
  const before = runs.length;
  await task.push("bad");
  await clock.pass(70_000); // twice the lease, and more
  expect(runs.length).toBeGreaterThan(before);
});
