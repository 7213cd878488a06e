/** Two processes: starts define-task/worker.ts, runs define-task/web.ts, stops the worker. Both share one SQLite file. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

process.env.FUNBOOST_SQLITE_FILE ??= join(mkdtempSync(join(tmpdir(), "funboost-")), "queue.db");
const start = (file: string) => fork(new URL(`./define-task/${file}`, import.meta.url));

const worker = start("worker.js");
await once(worker, "message");
const web = start("web.js");
const [code] = await once(web, "exit");
worker.kill("SIGTERM");
const [workerCode] = await once(worker, "exit");
console.log(`web exited with ${code}, worker after SIGTERM with ${workerCode}`);
process.exitCode = code;
