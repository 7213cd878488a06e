/** What happens to a task that fails: retries with backoff, then the dead-letter queue; and the errors that say otherwise. */
import { boost, DeadLetterError, FatalError, fct, RetryError, shutdown, TaskError } from "funboost";

const charge = boost(
  {
    queue: "charge",
    broker: "memory",
    rpc: true,
    maxRetries: 2,
    backoff: 20,
    deadLetter: true,
    log: { stacks: false },
  },
  async function charge(order: string) {
    console.log(`${order}: attempt ${fct.attempt}`);
    if (order === "flaky" && fct.attempt === 1) throw new Error("socket hang up"); // retried
    if (order === "busy" && fct.attempt === 1) throw new RetryError({ after: 100 }); // retried after the time that the service named
    if (order === "no-such-order") throw new DeadLetterError("no such order"); // a retry will not help: keep it for a person
    if (order === "refused") throw new FatalError("card refused"); // failed for good, without a retry
    if (order === "down") throw new Error("payment service is down"); // fails each time
    return `${order} charged`;
  },
);

await charge.consume();
const runs = await charge.pushMany([["flaky"], ["busy"], ["no-such-order"], ["refused"], ["down"]]);
for (const run of runs) {
  try {
    console.log(await run.waitResult());
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    console.log(`${error.status} after ${error.attempts}: ${(error.cause as Error).message}`);
  }
}
for (const { body } of await charge.deadLetters.list(10)) {
  const { order, extra } = body as { order: string; extra: { reason: string } };
  console.log(`dead letter: ${order}: ${extra.reason}`);
}
await shutdown();
