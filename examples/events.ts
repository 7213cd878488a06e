/** Events on diagnostics_channel, the log with a filter, and trace context from publisher to run to child. */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import { boost, configure, fct, type Logger, shutdown } from "funboost";

const write = (level: string) => (fields: object, text: string) =>
  console.log(`log: ${level}: ${text} (attempt ${(fields as { attempt?: number }).attempt})`);
const logger: Logger = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
const spans = new AsyncLocalStorage<string>(); // in place of a tracer such as OpenTelemetry's

configure({
  log: { logger, filter: ({ level, queue }) => queue !== "stamp" || level === "error" },
  trace: {
    inject: () => ({ traceparent: spans.getStore() ?? "none" }),
    run: (headers, work) => spans.run(`${headers.traceparent} > ${fct.queue}`, work),
  },
});

type Told = Partial<Record<"queue" | "outcome" | "control", string> & Record<"attempt" | "runMs", number>>;
subscribe("funboost:run:end", (event) => {
  const { queue, attempt, outcome, runMs } = event as Told;
  console.log(`run: ${queue}, attempt ${attempt}: ${outcome} after ${runMs?.toFixed(1)} ms`);
});
subscribe("funboost:control:held", (event) => {
  const { queue, control } = event as Told;
  console.log(control ? `hold: ${queue} starts nothing, because it is ${control}` : `hold: ${queue} goes on`);
});

const stamp = boost({ queue: "stamp", broker: "memory", rpc: true }, () => spans.getStore());
const invoice = boost({ queue: "invoice", broker: "memory", rpc: true, backoff: 0 }, async (no: number) => {
  if (fct.attempt === 1) throw new Error("printer is out of paper");
  return `invoice ${no}, traced as "${await (await stamp.push()).waitResult()}"`;
});
await stamp.consume();
const consumer = await invoice.consume();
const handle = await spans.run("web request", () => invoice.push(7));
console.log(await handle.waitResult());
consumer.pause();
consumer.resume();
await shutdown();
