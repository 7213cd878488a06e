/** The worker: consumes until SIGTERM or Ctrl-C, finishes what runs, and exits. */
import { resize } from "./tasks.ts";

await resize.consume();
console.log("worker ready");
process.send?.("ready"); // tells examples/publisher.ts; nothing when started by hand
