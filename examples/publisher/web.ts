/** The web side: no worker code is loaded, only its type. */
import { publisher, shutdown } from "funboost";
import type { resize } from "./tasks.ts";

const resizes = publisher<typeof resize>({ queue: "resize", rpc: true, params: ["file", "width"] });

const run = await resizes.push("cat.png", 300); // typed: resizes.push("cat.png", "300") does not compile
console.log(`web process ${process.pid}: ${await run.waitResult({ timeout: "20s" })}`);
await shutdown();
