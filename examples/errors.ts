/** Errors keep their meaning on the way back to the caller, and leave secrets behind. */
import { boost, isFunboostError, shutdown, TaskError, WaitTimeoutError } from "funboost";

class PaymentDeclined extends Error {
  override name = "PaymentDeclined";
  code = "CARD_EXPIRED";
  authorization = "Bearer secret"; // as HTTP clients do; it does not travel
}

const pay = boost(
  { queue: "pay", broker: "memory", rpc: true, maxRetries: 0, errors: [PaymentDeclined], log: false },
  async function pay(cents: number) {
    if (cents > 1000) throw new PaymentDeclined("card has expired", { cause: new Error("bank said 51") });
    return cents;
  },
);

await pay.consume();
try {
  const run = await pay.push(5000);
  await run.waitResult();
} catch (error) {
  if (!(error instanceof TaskError)) throw error;
  const cause = error.cause;
  console.log(`the caller gets a ${error.name}, code ${error.code}: ${error.status} at attempt ${error.attempts}`);
  if (!(cause instanceof PaymentDeclined)) throw error;
  console.log(`its cause is a ${cause.name} again, code ${cause.code}: ${cause.message}`);
  console.log(`because ${(cause.cause as Error).message}`);
  console.log(`the header on it ${cause.authorization ? "came along" : "stayed in the worker"}`);
}

const slow = await pay.publish([1], { delay: "1m" });
await slow
  .waitResult({ timeout: 100 })
  .catch((error) =>
    console.log(`waited 100 ms: ${error instanceof WaitTimeoutError ? "the wait ended, the task goes on" : error}`),
  );
const refused = await pay.push(new Map() as never).catch((error) => error);
console.log(`a Map as an argument: ${isFunboostError(refused) ? refused.message : "taken"}`);
await shutdown();
