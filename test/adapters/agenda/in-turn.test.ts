/** Calls that wait for each other, instead of a pool that counts them as unanswered. */
import { afterAll, expect, it } from "vitest";
import { inTurn } from "../../../adapters/agenda/in-turn.ts";
import { connectPostgres, poolOf } from "../../../adapters/agenda/postgres.ts";
import type { Pool } from "../../../adapters/agenda/postgres-table.ts";
import { sleep } from "../../../src/base/clock.ts";
import { serviceFor } from "../../support/services.ts";

const postgres = await serviceFor("postgres");
afterAll(() => postgres.stop());

it("lets a few at a time, in their order, and the next where one has failed", async () => {
  let [now, most] = [0, 0];
  const order: number[] = [];
  const call = inTurn({ most: 2, patienceMs: 5_000 }, async (n: number) => {
    order.push(n);
    most = Math.max(most, ++now);
    await sleep(5);
    now--;
    if (n % 3 === 0) throw new Error(`${n}`);
    return n;
  });
  const ended = await Promise.allSettled([0, 1, 2, 3, 4, 5, 6, 7].map((n) => call(n)));
  expect([most, order]).toEqual([2, [0, 1, 2, 3, 4, 5, 6, 7]]);
  expect(ended.map(({ status }) => status === "fulfilled")).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((n) => n % 3 !== 0));
});

it("waits no longer than its patience, and loses no turn by it", async () => {
  const call = inTurn({ most: 1, patienceMs: 50 }, (ms: number) => sleep(ms).then(() => ms));
  const [first, second] = await Promise.allSettled([call(200), call(1)]);
  expect(first.status).toBe("fulfilled");
  expect(second).toMatchObject({ status: "rejected", reason: { message: expect.stringContaining("50 ms") } });
  expect(await call(2)).toBe(2);
});

it.skipIf(postgres.unavailable)(
  "many slow calls are no outage of PostgreSQL",
  async () => {
    const link = await connectPostgres(postgres.settings?.POSTGRES_URL, `turns_${process.pid}`);
    const pool = poolOf(link.backend) as Pool;
    try {
      // Each takes a second, over three connections: the last would wait longer than a connect may take.
      const calls = Array.from({ length: 24 }, () => pool.query("SELECT pg_sleep(1.1)"));
      expect(await Promise.allSettled(calls).then((all) => all.filter(({ status }) => status === "rejected"))).toEqual(
        [],
      );
      await pool.query(`DROP TABLE turns_${process.pid}`);
    } finally {
      await link.close();
    }
  },
  30_000,
);
