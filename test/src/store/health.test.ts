/** Whether a store answers, said once and told to those who wait. */
import { memoryStore } from "funboost/stores/memory";
import { afterEach, expect, it } from "vitest";
import { setClock } from "../../../src/base/clock.ts";
import { FunboostError } from "../../../src/base/errors.ts";
import { healthBehind, healthOf, shareHealth } from "../../../src/store/health.ts";
import { handClock } from "../../support/hand-clock.ts";

afterEach(() => setClock());
const lines: string[] = [];
const write = (_: object, text: string) => void lines.push(text);
const log = { debug: write, info: write, warn: write, error: write };

it("is down from the first call that fails to the first that works, and says so once", () => {
  handClock();
  const store = memoryStore();
  const health = healthOf(store);
  const changes: boolean[] = [];
  const stop = health.watch((down) => changes.push(down));
  for (let i = 0; i < 3; i++) health.say(log, { queue: "q" }, health.recordError(new Error("refused")));
  expect([health.down, changes, lines]).toEqual([
    true,
    [true],
    ["the store does not answer: what needs it waits until it does"],
  ]);
  health.recordAnswer();
  health.recordAnswer();
  expect([health.down, changes, lines.at(-1)]).toEqual([false, [true, false], "the store answers again"]);
  stop();
  health.recordError(new Error("refused"));
  expect(changes).toHaveLength(2);
});

it("knows the store behind an error; a caller's own fault is no outage", () => {
  const store = memoryStore();
  const guarded = { ...store };
  shareHealth(store, guarded);
  const error = healthOf(guarded).recordError(new Error("refused"));
  expect(error).toMatchObject({ code: "BROKER_DOWN" });
  expect(healthBehind(error)).toBe(healthOf(store));
  healthOf(store).recordAnswer();
  const fault = new FunboostError("BAD_OPTION", "no");
  expect(healthOf(store).recordError(fault)).toBe(fault);
  expect([healthOf(store).down, healthBehind(fault)]).toEqual([false, undefined]);
});

it("wakes those who wait when a store is back that was really away", async () => {
  const { pass } = handClock();
  const health = healthOf(memoryStore());
  health.recordError(new Error("refused"));
  let awake = false;
  void health.nap(60_000, { unref: true }).then(() => (awake = true));
  await pass(1_100);
  expect(awake).toBe(false);
  health.recordAnswer();
  await expect.poll(() => awake).toBe(true);
});
