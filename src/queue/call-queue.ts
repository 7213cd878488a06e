/** Calls that go straight to the queue; one that the engine lacks is refused by name. */

import { FunboostError } from "../base/errors.ts";
import type { BrokerQueue } from "../contract/broker.ts";
import type { Definition } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";

type Calls = Required<Pick<BrokerQueue, "count" | "clear" | "setPaused" | "paused">>;

export async function callQueue<K extends keyof Calls>(
  definition: Definition,
  name: K,
  ...args: Parameters<Calls[K]>
): Promise<Awaited<ReturnType<Calls[K]>>> {
  const { queue, brokerName } = definition.open ?? (await openTask(definition));
  const call = queue[name] as ((...args: unknown[]) => Promise<Awaited<ReturnType<Calls[K]>>>) | undefined;
  if (!call)
    throw new FunboostError("UNSUPPORTED", `has no ${name}(), and it cannot be emulated.`, { where: brokerName });
  return call(...args);
}
