/** A row of starts, by a clock of its own: what is given back is used again, and no place too early. */
import { describe, expect, it } from "vitest";
import { type RowState, reserveInRow } from "../../../adapters/shared/start-row.ts";
import type { StartRow } from "../../../src/contract/store.ts";
import { randomFrom } from "../../support/rate-model.ts";

const row: StartRow = { perMs: 20, places: 51, slackMs: 4, count: 3, aheadMs: 1_010 };

/** One row that goes on in time; answers when the starts are due. */
function openRow(rest: Partial<StartRow> = {}) {
  let state: RowState | undefined;
  return (now: number, how: Partial<StartRow> = {}) => {
    const reserved = reserveInRow(state, { ...row, ...rest, ...how }, now);
    state = now >= reserved.endsAt ? undefined : reserved.state;
    return reserved.reservation.starts.map(({ waitMs, number }) => ({ at: now + waitMs, number }));
  };
}

const due = (starts: readonly { readonly at: number }[]) => starts.map(({ at }) => at);

describe("a row of starts", () => {
  it("is evenly spaced, also where its starts come a little late", () => {
    const reserve = openRow();
    expect(due(reserve(1_000))).toEqual([1_000, 1_020, 1_040]);
    expect(due(reserve(1_063))).toEqual([1_063, 1_080, 1_100]);
  });

  it("gives a place again at once, and goes on as before", () => {
    const reserve = openRow();
    const [first] = reserve(1_000);
    expect(due(reserve(1_030, { unused: [first?.number ?? 0] }))).toEqual([1_030, 1_060, 1_080]);
    expect(due(reserve(1_090, { count: 1 }))).toEqual([1_100]);
  });

  it("has no burst after an idle time, whatever was given back before", () => {
    const reserve = openRow();
    const given = reserve(1_000, { count: 10 });
    reserve(1_300, { count: 0, unused: given.map(({ number }) => number) });
    expect(due(reserve(1_700))).toEqual([1_700, 1_720, 1_740]);
  });

  it("uses no place too early, whatever comes late, is given back, or is given back twice", () => {
    for (const [seed, rest] of [{}, { perMs: 400, places: 3 }, { perMs: 2_000, places: 1 }, { lateMs: 30 }].entries()) {
      const [random, reserve] = [randomFrom(seed + 1), openRow(rest)];
      const { perMs, places } = { ...row, ...rest };
      const used: number[] = [];
      let unused: number[] = [];
      for (let now = 0; now < 200 * perMs; now += random() * 3 * perMs * (random() < 0.02 ? 20 : 1)) {
        const starts = reserve(now, { unused });
        unused = [...unused.slice(-5), ...starts.filter(() => random() < 0.3).map(({ number }) => number)];
        used.push(...due(starts.filter(({ number }) => !unused.includes(number))));
      }
      used.sort((a, b) => a - b);
      const spans = used.slice(places).map((at, i) => at - (used[i] as number));
      expect(used.length).toBeGreaterThan(20);
      expect(Math.min(...spans)).toBeGreaterThanOrEqual(places * perMs - row.slackMs);
    }
  });
});
