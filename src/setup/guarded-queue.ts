/** Deadlines around the calls to an engine: none may hang its caller for ever. */

import { deadline, undoIfLate, wrapCalls } from "../base/deadline.ts";
import type { BrokerQueue, Consumer } from "../contract/broker.ts";

const callMs = 30_000;

/** `publish` has its own deadline, from `publishTimeout`; a result that is waited for that of its caller. */
export function guardedQueue(queue: BrokerQueue, where: string): BrokerQueue {
  const wrap = <T>(work: () => Promise<T>, name: string) => deadline(work(), callMs, `${name}()`, where);
  const calls = wrapCalls(
    queue,
    [
      "count",
      "clear",
      "peek",
      "setPaused",
      "paused",
      "cancel",
      "askToEnd",
      "state",
      "reschedule",
      "update",
      "children",
      "endedElsewhere",
    ],
    wrap,
  );
  const consume: BrokerQueue["consume"] = (handler, options) => inTime(queue.consume(handler, options), where);
  const ask = queue.result?.bind(queue);
  if (!ask) return { ...calls, consume };
  return {
    ...calls,
    consume,
    result: (id, options) => (options.signal ? ask(id, options) : wrap(() => ask(id, options), "result")),
  };
}

/** A consumer that is there too late is closed: another has taken its place. */
function inTime(opening: Promise<Consumer>, where: string): Promise<Consumer> {
  return undoIfLate(deadline(opening, callMs, "consume()", where), opening, (late) => late.close({ force: true }));
}
