/** What each control costs on memory, SQLite and BullMQ: pairs with and without it, and the table for the docs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compareEngine } from "./compare.ts";
import { controlNames } from "./engines/controls.ts";
import type { EngineName } from "./engines.ts";
import type { RoundsOptions } from "./measure.ts";
import { type Row, tableOf } from "./report.ts";

/** Each control has processes and rounds of its own: the two of a pair follow each other at once. */
async function benchEach(engine: EngineName, address: string, options: RoundsOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const control of controlNames) rows.push(...(await compareEngine(engine, address, options, [control])));
  return rows;
}

export async function benchControls(redisUrl: string | undefined, options: RoundsOptions): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "funboost-bench-"));
  try {
    const rows = await benchEach("memory-controls", "", options);
    rows.push(...(await benchEach("sqlite-controls", folder, options)));
    if (redisUrl) rows.push(...(await benchEach("bullmq-controls", redisUrl, options)));
    return rows;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A line for each control, a column for publishing and one for consuming on each broker: the speed with it as a share of the speed without. */
export function controlsTable(rows: readonly Row[]): string {
  const columns = [...new Set(rows.map(({ broker }) => broker))].flatMap((broker) =>
    ["bulk", "consume"].map((operation) => ({ broker, operation })),
  );
  const cell = (control: string, broker: string, operation: string): string => {
    const row = rows.find((each) => each.broker === broker && each.operation === `${operation}, ${control}`);
    if (!row || row.ratio === null || row.low === null || row.high === null) return "";
    return `${row.ratio.toFixed(2)} (${row.low.toFixed(2)} to ${row.high.toFixed(2)})`;
  };
  const lines = controlNames.map((control) => [
    `\`${control}\``,
    ...columns.map(({ broker, operation }) => cell(control, broker, operation)),
  ]);
  const head = [
    "with",
    ...columns.map(({ broker, operation }) => `${broker}, ${operation === "bulk" ? "publish" : "consume"}`),
  ];
  return tableOf(
    [head, ...lines].filter((line) => line.slice(1).some((text) => text !== "")),
    () => false,
  );
}
