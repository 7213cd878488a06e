/** cancel(), from any process that knows the id: what waits never runs, what runs sees fct.signal within half a second. */
import { once } from "node:events";
import { setTimeout as work } from "node:timers/promises";
import { boost, fct, shutdown, TaskError } from "funboost";

const movie = boost(
  { queue: "movie", broker: "memory", rpc: true, concurrency: 1 },
  async function movie(frames: number) {
    started.abort();
    for (let frame = 0; frame < frames; frame++) await work(50, undefined, { signal: fct.signal }); // rejects as soon as it is cancelled
  },
);
const started = new AbortController();
await movie.consume();

const run = await movie.push(1_000_000);
const later = await movie.push(1);
if (!started.signal.aborted) await once(started.signal, "abort");
console.log(`the one that waits: ${(await movie.handle(later.id).cancel()) ? "cancelled" : "too late"}`);
console.log(`the one that runs: ${(await movie.handle(run.id).cancel()) ? "told to stop" : "too late"}`);

for (const [which, handle] of Object.entries({ runs: run, waits: later })) {
  const error = await handle.waitResult().catch((each: unknown) => each);
  const told = error instanceof TaskError ? error.code : "a result";
  console.log(`who waits for the one that ${which} gets ${told}; its state is "${await handle.state()}"`);
}
console.log(`a second cancel of what is over: ${(await run.cancel()) ? "cancelled" : "too late"}`);
await shutdown();
