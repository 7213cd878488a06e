/** The same tasks on six engines, by one word; what each engine does by itself, and what funboost adds. An engine without its server is skipped. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configure, shutdown, waitAll } from "funboost";
import { sqliteStore } from "funboost/stores/sqlite";
import { tasksOn } from "./swap-engines/tasks.ts";

const { REDIS_URL, POSTGRES_URL, TEMPORAL_ADDRESS } = process.env;
const folder = mkdtempSync(join(tmpdir(), "funboost-"));
configure({
  brokers: {
    sqlite: { file: join(folder, "queue.db") },
    bullmq: { url: REDIS_URL },
    "bee-queue": { url: REDIS_URL },
    agenda: { url: POSTGRES_URL },
    temporal: { address: TEMPORAL_ADDRESS },
  },
  store: sqliteStore({ file: join(folder, "store.db") }), // for engines whose server holds none: Agenda on PostgreSQL, Temporal
  log: "warn",
});

async function run(broker: string) {
  const tasks = tasksOn(broker);
  const all = Object.values(tasks);
  for (const task of all) await task.clear();
  const started = performance.now();
  const reminder = await tasks.remind.publish(["Ann"], { delay: 500 });
  const reminded = reminder
    .waitResult()
    .then((text) => `${text} ${performance.now() - started < 480 ? "too early" : "in time"}`);
  const pages = await tasks.print.pushMany(Array.from({ length: 10 }, (_, page) => [`page ${page}`]));
  const cover = await tasks.print.publish(["cover"], { priority: 100 });
  for (const task of all) await task.consume();

  const sum = await (await tasks.add.push(1, 2)).waitResult();
  const page = await (await tasks.fetchPage.push("index.html")).waitResult();
  const total = await (await tasks.total.push([1, 2, 3])).waitResult();
  const [place = 0, ...others] = await waitAll([cover, ...pages]);
  const printed = `${others.length} pages, the cover ${place <= 5 ? "early" : `as number ${place}`}`;
  const results = [`1 + 2 = ${sum}`, page, `total ${total}`, printed, await reminded].join("; ");

  const time = `${((performance.now() - started) / 1000).toFixed(1)} s`;
  const support = Object.entries(await tasks.add.features());
  const by = (whom: string) => support.flatMap(([feature, does]) => (does === whom ? feature : [])).join(" ");
  return { results, time, added: by("emulated"), lacking: by("no") };
}

const servers = {
  memory: "",
  sqlite: "",
  bullmq: "REDIS_URL",
  "bee-queue": "REDIS_URL",
  agenda: "POSTGRES_URL",
  temporal: "TEMPORAL_ADDRESS",
};
let wanted = "";
for (const [broker, server] of Object.entries(servers)) {
  if (server && !process.env[server]) {
    console.log(`${broker}: skipped: set ${server}`);
    continue;
  }
  const { results, time, added, lacking } = await run(broker);
  wanted ||= results;
  console.log(`${broker}: ${results === wanted && broker !== "memory" ? "the same" : results}, in ${time}`);
  console.log(`  funboost adds: ${added || "nothing"}; cannot be had: ${lacking || "nothing"}`);
  if (results !== wanted) process.exitCode = 1;
}
console.log("what is not named each engine does by itself");
await shutdown();
