/** The README's example: one function, called here and through the queue. Default broker: SQLite in .funboost/queue.db. */
import { boost, fct, shutdown } from "funboost";

const transcode = boost(
  { queue: "transcode", qps: 5, maxRetries: 3, rpc: true }, // rpc: results are kept for whoever waits
  async function transcode(file: string, height: number): Promise<string> {
    fct.logger.info({ attempt: fct.attempt }, "started"); // the running task, without an extra parameter
    return `${file}_${height}p.mp4`;
  },
);

console.log(await transcode("a.mov", 360)); // a plain call: runs here, now, no queue
const run = await transcode.push("a.mov", 720); // typed like the function: goes to the queue
await transcode.consume(); // start consuming in this process
const out: string = await run.waitResult(); // typed result, from whichever process ran it
console.log(out);
await shutdown(); // finish what runs, close the broker
