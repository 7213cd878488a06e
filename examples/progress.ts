/** How far a task is, from any process that knows its id: the latest value, or each as it is told, until the task has ended. */
import { setTimeout as work } from "node:timers/promises";
import { boost, fct, shutdown } from "funboost";

interface Step {
  readonly done: number;
  readonly of: number;
}

const index = boost({ queue: "index", broker: "memory", rpc: true }, async function index(pages: number) {
  for (let done = 1; done <= pages; done++) {
    await work(30);
    await fct.progress<Step>({ done, of: pages });
  }
  return `${pages} pages`;
});
await index.consume();

const { id } = await index.push(5);
const run = index.handle(id); // as another process would find it
for await (const { done, of } of run.follow<Step>()) console.log(`${done} of ${of}`); // ends with the task
console.log(`result: ${await run.waitResult()}; the last step is still known: ${(await run.progress<Step>())?.done}`);
await shutdown();
