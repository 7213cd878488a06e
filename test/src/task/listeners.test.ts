/** task.on(): what becomes of a task's runs is told in the process that runs them. */
import { boost, configure, fct, shutdown, type TaskEvents } from "funboost";
import { memory } from "funboost/adapters/memory";
import { memoryStore } from "funboost/stores/memory";
import { afterEach, expect, it } from "vitest";

const warned: string[] = [];
const logger = {
  debug() {},
  info() {},
  error() {},
  warn: (fields: object, text: string) => void warned.push(`${text}: ${(fields as { error?: Error }).error?.message}`),
};
configure({ signals: false, log: { logger }, store: memoryStore() });
afterEach(async () => {
  await shutdown({ grace: 100 });
  warned.length = 0;
});

const open = (queue: string) =>
  boost({ queue, broker: memory(), rpc: true, maxRetries: 1, backoff: 1 }, async (what: string) => {
    await fct.progress({ at: what });
    if (what === "bad") throw new Error("no");
    if (what === "again" && fct.attempt === 1) throw new Error("once more");
    return { what };
  });

it("tells ends, retries and progress, until it is taken away", async () => {
  const task = open("listen");
  const heard: string[] = [];
  const note = (event: string, text: string) => void heard.push(`${event} ${text}`);
  const stops = [
    task.on("done", ({ result, attempts }) => note("done", `${result?.what} ${attempts}`)),
    task.on("failed", ({ status, error, attempts }) => note("failed", `${status} ${error?.message} ${attempts}`)),
    task.on("retry", ({ attempt, error, delayMs }) => note("retry", `${attempt} ${error.message} ${delayMs >= 0}`)),
    task.on("progress", ({ value }) => note("progress", JSON.stringify(value))),
  ];
  await task.consume();
  for (const what of ["good", "again", "bad"]) await (await task.push(what)).waitRecord();
  expect(heard).toEqual([
    'progress {"at":"good"}',
    "done good 1",
    'progress {"at":"again"}',
    "retry 1 once more true",
    'progress {"at":"again"}',
    "done again 2",
    'progress {"at":"bad"}',
    "retry 1 no true",
    'progress {"at":"bad"}',
    "failed failed no 2",
  ]);
  for (const stop of stops) stop();
  await (await task.push("good")).waitResult();
  expect(heard).toHaveLength(10);
});

it("logs what a listener throws, and gives it a copy", async () => {
  const task = open("listen-throws");
  task.on("done", () => {
    throw new Error("sync");
  });
  task.on("done", async () => Promise.reject(new Error("later")));
  task.on("done", (record) => void Object.assign(record.result as object, { what: "changed" }));
  const seen: TaskEvents<{ what: string }>["done"][] = [];
  task.on("done", (record) => seen.push(record));
  await task.consume();
  expect(await (await task.push("good")).waitResult()).toEqual({ what: "good" });
  await expect
    .poll(() => warned)
    .toEqual(["a listener of the task threw: sync", "a listener of the task threw: later"]);
  expect(seen).toHaveLength(1);
});

it("tells of one that was cancelled while it waited, in the process that cancels", async () => {
  const task = open("listen-cancel");
  const statuses: string[] = [];
  task.on("failed", ({ status }) => statuses.push(status));
  const waiting = await task.publish(["good"], { delay: "1h" });
  expect(await waiting.cancel()).toBe(true);
  expect(statuses).toEqual(["cancelled"]);
});

it("refuses an event that is none, and what is no function", () => {
  const task = open("listen-bad");
  expect(() => task.on("end" as "done", () => {})).toThrow(
    'on() takes "done", "failed", "retry", "progress"; got "end"',
  );
  expect(() => task.on("done", 1 as never)).toThrow('on("done") takes a function, got 1');
});
