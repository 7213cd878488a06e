/** cancel() of a task that runs, from wherever; progress as it is told; a lock that one process holds at a time. */
import { setTimeout as work } from "node:timers/promises";
import { boost, fct, shutdown, TaskError, withLock } from "funboost";

const movie = boost({ queue: "movie", broker: "memory", rpc: true }, async function movie(frames: number) {
  for (let frame = 0; frame < frames; frame += 100) {
    await fct.progress({ frame, of: frames });
    await work(50, undefined, { signal: fct.signal }); // rejects as soon as it is cancelled
  }
});
await movie.consume();

const run = await movie.push(1_000_000);
for await (const progress of run.follow()) {
  console.log(progress);
  if ((progress as { frame: number }).frame >= 200) break;
}
console.log("cancelled:", await run.cancel()); // any process that knows the id: movie.handle(id).cancel()
const error = await run.waitResult().catch((each: unknown) => each);
console.log(error instanceof TaskError && error.status, await run.state());

const order: string[] = [];
const nightly = (who: string) =>
  withLock("nightly", { ttl: "10s", broker: "memory" }, async () => {
    order.push(`${who} in`);
    await work(50);
    order.push(`${who} out`);
  });
await Promise.all([nightly("a"), nightly("b")]);
console.log(order.join(", "));
await shutdown();
