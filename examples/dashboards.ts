/** The same tasks on BullMQ, Agenda and Temporal, seen by bull-board, Agendash and Temporal's own UI. `--serve` stays until Ctrl-C. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import express from "express";
import { configure, shutdown } from "funboost";
import { sqliteStore } from "funboost/stores/sqlite";
import { agendash } from "./dashboards/agendash.ts";
import { bullBoard } from "./dashboards/bull-board.ts";
import type { Dashboard } from "./dashboards/dashboard.ts";
import { fill, wanted } from "./dashboards/orders.ts";
import { temporalUi } from "./dashboards/temporal-ui.ts";

const { REDIS_URL, POSTGRES_URL, TEMPORAL_ADDRESS, TEMPORAL_UI_URL } = process.env;
configure({
  brokers: { bullmq: { url: REDIS_URL }, agenda: { url: POSTGRES_URL }, temporal: { address: TEMPORAL_ADDRESS } },
  store: sqliteStore({ file: join(mkdtempSync(join(tmpdir(), "funboost-")), "store.db") }), // results of tasks on Agenda
  log: "warn",
  signals: false, // Ctrl-C is handled below: it removes the jobs
});

const queue = `orders-${process.pid}`;
const dashboards: Dashboard[] = [];
if (REDIS_URL) dashboards.push(bullBoard(REDIS_URL, queue));
else console.log("bull-board: skipped: set REDIS_URL");
if (POSTGRES_URL) dashboards.push(agendash(POSTGRES_URL, queue));
else console.log("Agendash: skipped: set POSTGRES_URL");
if (TEMPORAL_ADDRESS && TEMPORAL_UI_URL) dashboards.push(temporalUi(TEMPORAL_UI_URL, queue));
else console.log("Temporal UI: skipped: set TEMPORAL_ADDRESS and TEMPORAL_UI_URL");

const app = express();
for (const { path, router } of dashboards) if (path) app.use(path, router);
const server = app.listen(0, "127.0.0.1");
await once(server, "listening");
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** Some dashboards are a moment behind. */
async function read(dashboard: Dashboard) {
  let seen = await dashboard.read(base);
  for (let tries = 0; tries < 50 && !isDeepStrictEqual(seen.counts, wanted); tries++) {
    await sleep(100);
    seen = await dashboard.read(base);
  }
  return seen;
}

const tasks = [];
try {
  for (const dashboard of dashboards) {
    tasks.push(await fill(dashboard.broker, queue));
    const { counts, failures } = await read(dashboard);
    console.log(`${dashboard.broker}: ${dashboard.page(base)}\n  ${JSON.stringify(counts)}\n  ${failures}`);
    assert.deepEqual(counts, wanted);
    assert.match(failures.join(), /Eve.*card of Eve was declined/);
  }
  if (process.argv.includes("--serve")) await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
} finally {
  for (const task of tasks) await task.clear();
  for (const dashboard of dashboards) await dashboard.close();
  server.close();
  await shutdown();
}
