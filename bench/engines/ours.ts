/** The side that is funboost: the same on every engine. */
import { boost, shutdown, type TaskParams } from "funboost";
import type { Broker } from "funboost/contract";
import type { Side } from "../engine.ts";
import type { Meter } from "../measure.ts";
import { type Args, argsOf, names } from "../work.ts";

export const concurrency = 50;

/** An engine that can be asked past funboost overrides `left` and `clear`: what it says weighs more. `look`: what each run does. */
export function ourSide(
  queue: string,
  broker: Broker,
  params: Partial<TaskParams> = {},
  look: () => unknown = () => {},
): Side {
  let current: Meter;
  const task = boost({ queue, broker, params: names, concurrency, ...params }, async (..._: Args) => {
    look();
    current.hit();
  });
  return {
    add: (index) => task.push(...argsOf(index)),
    addMany: (indexes) => task.pushMany(indexes.map(argsOf)),
    async work(meter) {
      current = meter;
      const consumer = await task.consume();
      return () => consumer.close();
    },
    async left() {
      const { ready, delayed, running = 0 } = await task.counts();
      return ready + delayed + running;
    },
    clear: () => task.clear(),
    close: () => shutdown(),
  };
}
