/** What a rescue does with rows that others have written. */
import { expect, it } from "vitest";
import { createRescue } from "../../../adapters/agenda/rescue.ts";
import type { Job, UnlockedRow } from "../../../adapters/agenda/table.ts";

it("gives back what is locked in the name of something that is no text, and what lies beside it", async () => {
  let nowMs = 1_000_000;
  const lockedAt = new Date(1_000);
  const jobs = [7, "funboost:dead:1", { is: "odd" }].map(
    (lastModifiedBy, i) =>
      ({ _id: `id${i}`, name: "q", lockedAt, nextRunAt: lockedAt, lastModifiedBy }) as unknown as Job,
  );
  const unlocked: UnlockedRow[] = [];
  const table = {
    expired: async () => jobs.map(({ _id }) => String(_id)),
    unlock: async (_name: string, rows: readonly UnlockedRow[]) => {
      unlocked.push(...rows);
      return rows.map(() => true);
    },
  };
  const link = {
    table,
    backend: { repository: { queryJobs: async () => ({ jobs }) } },
    call: (work: () => unknown) => work(),
  };
  const time = { now: () => nowMs, sync: async () => {} };
  const context = { link, time, owner: "funboost:me", notices: { announce: async () => {} }, lockLifetimeMs: 1_000 };
  const rescue = createRescue(context as never, "q", 1_000);
  await rescue();
  nowMs += 500;
  await rescue();
  expect(unlocked.map(({ id, token }) => [id, token])).toEqual([
    ["id0", 7],
    ["id1", "funboost:dead:1"],
    ["id2", { is: "odd" }],
  ]);
});
