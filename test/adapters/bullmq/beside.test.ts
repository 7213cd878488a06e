/** Producers and workers of BullMQ 5 and 6 beside ours on one queue, each killed at random; `npm run storm -- --beside` does it for hours. */
import { afterAll, expect, it } from "vitest";
import { playBeside } from "../../support/beside-storm.ts";
import { serviceFor } from "../../support/services.ts";

const service = await serviceFor("redis");
afterAll(() => service.stop());
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";

it.skipIf(!url)(`every job ends by its own rules${skipped}`, { timeout: 120_000 }, async () => {
  const { lost, byRules, runs, cut } = await playBeside({ url, forMs: 25_000, leaseMs: 3_000 });
  expect([...lost, ...byRules]).toEqual([]);
  for (const role of ["worker5", "worker6", "ours"]) expect(runs[role]).toBeGreaterThan(20);
  expect(cut).toBeGreaterThan(0);
});
