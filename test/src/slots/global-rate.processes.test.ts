/** One rate for several processes that stand still now and then, are killed, or are at the limit of their slots; by a seed. */
import { describe, expect, it } from "vitest";
import { type ModelProcess, playModel } from "../../support/rate-model.ts";

const qps = 50;
const limits = [{ count: qps, perMs: 1_000, spaced: true }];
const quick: ModelProcess = { concurrency: 50, runMs: 5 };
const slow: ModelProcess = { concurrency: 3, runMs: 400 };
const killedAt = 8_000;
const ms = 30_000;

/** Together they could start 60 a second. */
const atLimit = (count: number) => Array.from({ length: count }, () => ({ ...slow, concurrency: 24 / count }));

const scenarios: Readonly<Record<string, readonly ModelProcess[]>> = {
  "two quick and two slow, a quick one is killed": [{ ...quick, killedAt }, quick, slow, slow],
  "two quick and two slow, a slow one is killed": [quick, quick, { ...slow, killedAt }, slow],
  "one joins late": [quick, slow, { ...slow, joinsAt: 5_000 }],
  "one alone": [quick],
  "two at the limit of their slots": atLimit(2),
  "four at the limit of their slots": atLimit(4),
  "eight at the limit of their slots": atLimit(8),
};

/** Of each process, and how much of the rate is held at least. */
const machines = [
  { name: "an idle machine", stallMs: 5, stallsPerSecond: 1, least: 0.99 },
  { name: "a machine with some load", stallMs: 30, stallsPerSecond: 2, least: 0.99 },
  { name: "a busy machine", stallMs: 60, stallsPerSecond: 2, least: 0.97 },
  { name: "a machine that is overrun", stallMs: 60, stallsPerSecond: 8, least: 0.9 },
];

function busiestSecond(starts: readonly number[]): number {
  let end = 0;
  return starts.reduce((most, start, i) => {
    while (end < starts.length && (starts[end] as number) < start + 1_000) end++;
    return Math.max(most, end - i);
  }, 0);
}

for (const { name, least, ...machine } of machines)
  describe(`a global rate on ${name}`, () => {
    for (const [scenario, processes] of Object.entries(scenarios))
      for (const seed of [1, 2, 3])
        it(`is held by processes: ${scenario}; seed ${seed}`, async () => {
          const starts = (await playModel({ limits, processes, ms, seed, ...machine })).flat().sort((a, b) => a - b);
          const count = starts.filter((at) => at >= killedAt).length;
          expect(count).toBeGreaterThanOrEqual((least * qps * (ms - killedAt)) / 1_000 - 1);
          expect(busiestSecond(starts)).toBeLessThanOrEqual(qps + 1);
        });
  });

describe("a global rate of a few a second", () => {
  for (const few of [0.5, 2, 10])
    it(`is held at ${few}, and one second holds at most one more`, async () => {
      const processes = Array.from({ length: 5 }, () => quick);
      const limits = [{ count: few, perMs: 1_000, spaced: true }];
      const all = await playModel({ limits, processes, ms: 100_000, seed: 4, stallMs: 60, stallsPerSecond: 2 });
      const starts = all.flat().sort((a, b) => a - b);
      expect(starts.length).toBeGreaterThanOrEqual(0.95 * few * 100);
      expect(busiestSecond(starts)).toBeLessThanOrEqual(Math.floor(few) + 1);
    });
});
