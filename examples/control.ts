/** A queue from outside: count, pause, cancel, clear, look up a task by id, change the concurrency, wait until idle. */
import { boost, shutdown } from "funboost";

const done: number[] = [];
const step = boost({ queue: "step", broker: "memory", concurrency: 1 }, async function step(n: number) {
  done.push(n);
});

const [first, second] = await step.pushMany([[1], [2], [3], [4]]);
const far = await step.publish([5], { delay: "1h" });
console.log(`waiting or delayed: ${await step.count()}`);
console.log(`the first is ${await first?.state()}, the one of in an hour ${await far.state()}`);

await step.pause(); // holds in every process
const consumer = await step.consume();
console.log(`ran while paused: ${done.length}; the second is cancelled: ${await second?.cancel()}`);
console.log(`the one of in an hour, found by its id, is cancelled: ${await step.handle(far.id).cancel()}`);

await step.resume();
consumer.setConcurrency(2);
await step.waitIdle({ timeout: "10s" });
console.log(`ran after resume(): ${done.join(", ")}`);

await step.pushMany([[6], [7]].map(([n]) => [n] as [number]));
await step.clear();
console.log(`waiting after clear(): ${await step.count()}`);
await shutdown();
