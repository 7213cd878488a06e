/** The statistics behind `npm run bench`, on input whose answers are known. */
import { describe, expect, it } from "vitest";
import { busiestSecond, median, medianInterval, orderOf, quantile, ratios } from "../../bench/pairs.ts";

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
const shuffled = (values: number[]) =>
  values
    .map((value, i) => ({ value, key: (i * 7919) % 104_729 }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);

describe("medianInterval", () => {
  it("gives the ranks of the sign test's table", () => {
    // n: rank k, from tables of the binomial distribution with p = 1/2 and 2.5 % on each side.
    for (const [n, k] of [
      [6, 1],
      [9, 2],
      [15, 4],
      [20, 6],
      [25, 8],
      [30, 10],
      [50, 18],
    ] as const) {
      expect(medianInterval(shuffled(upTo(n))), `n ${n}`).toEqual({ middle: (n + 1) / 2, low: k, high: n + 1 - k });
    }
  });
  it("answers smallest and largest when there are too few values", () => {
    expect(medianInterval([3, 1, 2])).toEqual({ middle: 2, low: 1, high: 3 });
    expect(medianInterval([5])).toEqual({ middle: 5, low: 5, high: 5 });
  });
  it("holds the true median in at least 95 of 100 series", () => {
    let state = 1;
    const random = () => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    let held = 0;
    for (let series = 0; series < 2_000; series++) {
      const { low, high } = medianInterval(Array.from({ length: 15 }, () => random() ** 3)); // true median: 1/8
      if (low <= 0.125 && high >= 0.125) held++;
    }
    expect(held).toBeGreaterThan(1_900);
  });
});

it("quantile lies between two values in proportion", () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile(upTo(101), 0.99)).toBe(100);
  expect(median([9, 1, 5])).toBe(5);
});

it("ratios pairs by round and refuses uneven sides", () => {
  expect(ratios([10, 9], [5, 10])).toEqual([2, 0.9]);
  expect(() => ratios([1], [])).toThrow("as many values on both sides, got 1 and 0");
});

it("orderOf gives each variant each place equally often, and each neighbour both ways", () => {
  const rounds = upTo(6).map((n) => orderOf(["a", "b", "c"], n - 1).join(""));
  expect(rounds).toEqual(["abc", "bca", "cab", "cba", "acb", "bac"]);
});

it("busiestSecond counts in windows that slide", () => {
  expect(busiestSecond([])).toBe(0);
  expect(busiestSecond([0, 500, 999, 1000, 1400, 1500])).toBe(4);
  expect(busiestSecond(upTo(100).map((n) => n * 100))).toBe(10);
});
