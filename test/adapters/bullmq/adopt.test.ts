/** Jobs of BullMQ's own users, taken over: what their own worker does of them, and what boost does. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { configure, shutdown } from "../../../src/index.ts";
import { serviceFor } from "../../support/services.ts";
import { type Kind, kinds } from "./adopt-kinds.ts";
import { byBoost, byBullmq, runAll } from "./adopt-runs.ts";
import { differences, spacings, tableOf, withTable } from "./adopt-table.ts";

const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
afterAll(() => service.stop());
configure({ signals: false, log: { level: "silent" } });
const prefix = `adopt${process.pid}${Date.now().toString(36)}`;
afterEach(() => shutdown({ grace: 500 }));
const skipped = service.unavailable ? ` (skipped: ${service.unavailable})` : "";
const doc = new URL("../../../docs/from-bullmq.md", import.meta.url);

describe.skipIf(!url)(`jobs of BullMQ, adopted${skipped}`, () => {
  it("end as by BullMQ's own worker, but for what the docs say (UPDATE_DOCS=1 writes the table)", async () => {
    const jobs = ({ jobs = 82 }: Kind) => jobs;
    const theirs = await runAll(byBullmq, { url, prefix: `${prefix}a`, name: "old" }, jobs);
    const ours = await runAll(byBoost, { url, prefix: `${prefix}b`, name: "old" }, jobs);
    const found = differences(theirs, ours);
    const said = kinds.filter(({ differs }) => differs !== undefined);
    expect(found.filter(({ kind }) => !said.includes(kind)).map(({ kind, what }) => [kind.name, what])).toEqual([]);
    expect(said.filter((kind) => !found.some((each) => each.kind === kind)).map(({ name }) => name)).toEqual([]);
    expect(said.length).toBeLessThanOrEqual(5);
    expect(ours.counts).toEqual(theirs.counts);
    const text = readFileSync(doc, "utf8");
    const written = withTable(text, tableOf(theirs));
    if (process.env.UPDATE_DOCS) writeFileSync(doc, written);
    else expect(text).toBe(written);
  }, 180_000);

  it("run again after the very same waits", async () => {
    for (const [by, start] of [byBullmq, byBoost].entries())
      for (const isAlone of [false, true]) {
        const jobs = ({ waits, alone }: Kind) => {
          if (waits === undefined || (alone ?? false) !== isAlone) return 0;
          return isAlone ? 1 : 3;
        };
        const name = `waits${by}${isAlone}`;
        expect(spacings(await runAll(start, { url, prefix, name }, jobs)), name).toEqual([]);
      }
  }, 60_000);
});
