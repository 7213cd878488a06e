/** Waits, repetition and alarms by the one clock. */
import { afterEach, expect, it } from "vitest";
import { createAlarm, repeat, setClock, sleep, within, withJitter } from "../../../src/base/clock.ts";
import { handClock } from "../../support/hand-clock.ts";

afterEach(() => setClock());

it("sleeps until its time or its signal", async () => {
  const { pass } = handClock();
  const stop = new AbortController();
  let awake = 0;
  const count = () => void awake++;
  void sleep(100).then(count);
  void sleep(1_000, { signal: stop.signal }).then(count);
  await pass(150);
  expect(awake).toBe(1);
  stop.abort();
  await expect.poll(() => awake).toBe(2);
  await sleep(1_000, { signal: stop.signal });
});

it("jitters up to a quarter more", () => {
  for (let i = 0; i < 100; i++) {
    expect(withJitter(100)).toBeGreaterThanOrEqual(100);
    expect(withJitter(100)).toBeLessThan(125);
  }
});

it("repeats after each end, over errors, until it is stopped", async () => {
  const { pass } = handClock();
  const errors: unknown[] = [];
  let times = 0;
  const stop = repeat(
    100,
    async () => {
      if (++times === 2) throw new Error("once");
    },
    (error) => errors.push(error),
  );
  await pass(1_000);
  expect(times).toBeGreaterThanOrEqual(7);
  expect(errors).toHaveLength(1);
  await stop();
  const before = times;
  await pass(1_000);
  expect(times).toBe(before);
});

it("rings once, at the soonest of its times", async () => {
  const { pass } = handClock();
  let rings = 0;
  const alarm = createAlarm(() => rings++);
  alarm(500);
  alarm(100);
  alarm(300);
  await pass(150);
  expect(rings).toBe(1);
  await pass(1_000);
  expect(rings).toBe(1);
  alarm(100);
  await pass(150);
  expect(rings).toBe(2);
});

it("tells whether work ended in time", async () => {
  const { pass } = handClock();
  expect(await within(Promise.resolve(), 100)).toBe(true);
  const late = within(new Promise(() => {}), 100);
  await pass(150);
  expect(await late).toBe(false);
  await expect(within(Promise.reject(new Error("failed")), 100)).rejects.toThrow("failed");
});
