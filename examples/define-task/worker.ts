/** The worker: the definition, what only a worker needs, and the function. Consumes until SIGTERM or Ctrl-C. */
import { boost } from "funboost";
import { mail } from "./tasks.ts";

const send = boost({ ...mail, concurrency: 4 }, async (to, subject) => {
  console.log(`worker: "${subject}" goes to ${to}`); // to and subject are texts, as the definition says
  return subject.length;
});

await send.consume();
process.send?.("ready"); // tells examples/define-task.ts; nothing when started by hand
