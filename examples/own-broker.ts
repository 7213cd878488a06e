/** registerBroker: a broker of one's own, of 40 lines, in own-broker/stack.ts. Last in, first out; the retry and the result are funboost's. */
import { boost, fct, registerBroker, shutdown, waitAll } from "funboost";
import { stack } from "./own-broker/stack.ts";

registerBroker("stack", stack);
declare module "funboost" {
  interface Brokers {
    stack: object; // its name, to types
  }
}

const order: string[] = [];
const plate = boost(
  { queue: "plates", broker: "stack", rpc: true, concurrency: 1, backoff: 0, log: false },
  async function plate(n: number) {
    order.push(`${n}`);
    if (n === 2 && fct.attempt === 1) throw new Error("dropped"); // runs again
    return n;
  },
);
const runs = await plate.pushMany([[1], [2], [3], [4]]);
await plate.consume();
console.log(
  `results: ${await waitAll(runs)}; washed: ${order.join(", ")} (the second one was dropped, and washed again)`,
);
const features = Object.entries(await plate.features());
const added = features.flatMap(([feature, does]) => (does === "emulated" ? feature : []));
console.log(`the stack can only push and pop; added by funboost: ${added.join(", ")}`);
await shutdown();
