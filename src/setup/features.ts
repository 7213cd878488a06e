/** Per feature: native, emulated or refused with advice. Resolved here and nowhere else. */

import { FunboostError, needsStore, storeAdvice } from "../base/errors.ts";
import type { Broker, BrokerQueue, Features, QueueSpec } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import { withAhead } from "../emulation/ahead.ts";
import { withDelay } from "../emulation/delay.ts";
import { withIds } from "../emulation/ids.ts";
import { withKnownIds } from "../emulation/known-ids.ts";
import { withPause } from "../emulation/pause.ts";
import { withPriority } from "../emulation/priority.ts";
import { withRetry } from "../emulation/retry.ts";
import type { Options } from "../options/task.ts";

/**
 * Who does it: the engine, funboost around it, or nobody. Results are kept in the store where the engine keeps none.
 */
export type Support = Readonly<Record<keyof Features, "native" | "emulated" | "no">>;

/** Adds what the broker lacks, innermost first: a retry republishes with a delay, and needs an id to carry. */
export function emulate(broker: Broker, store: Store | undefined): Broker {
  let result = broker;
  if (!result.features.ids) result = withIds(result);
  if (!result.features.delay && store) result = withDelay(result, store);
  if (!result.features.retry && result.features.delay) result = withRetry(result);
  if (!result.features.ahead) result = withAhead(result);
  if (!result.features.priority) result = withPriority(result);
  if (!result.features.pause && store) result = withPause(result, store);
  // An engine's own knowledge of ids ends at a body, a lane and a timer.
  return result !== broker && store ? withKnownIds(result, store) : result;
}

/** Opens a queue with all features: first as the adapter promises, then again by what this server really has. */
export async function openQueue(
  broker: Broker,
  store: Store | undefined,
  spec: QueueSpec,
): Promise<{ readonly queue: BrokerQueue; readonly native: Features }> {
  const first = await broker.open(spec);
  const actual: Broker = {
    ...broker,
    features: first.features,
    open: (inner) => (inner.queue === spec.queue ? Promise.resolve(first) : broker.open(inner)),
  };
  const whole = emulate(actual, store);
  const queue = await whole.open(spec);
  // What an emulation publishes again has its name in the body.
  return { queue: whole === actual ? queue : { ...queue, keepsJob: false }, native: first.features };
}

export function supportOf(native: Features, emulated: Features, store: Store | undefined): Support {
  const all = { ...emulated, results: emulated.results || store !== undefined };
  const names = Object.keys(all) as (keyof Features)[];
  return Object.fromEntries(
    names.map((name) => [name, native[name] ? "native" : all[name] ? "emulated" : "no"]),
  ) as Support;
}

/** Refuses the options that this broker and store cannot serve. */
export function checkFeatures(name: string, queue: BrokerQueue, store: Store | undefined, options: Options): void {
  if (options.rpc && !store && !queue.result) throw needsStore(name, "rpc");
  if (options.limits && options.qpsScope === "global") checkGlobal(name, queue, store);
  if (options.record && !store) throw needsStore(name, "record");
  if (options.filter && !store) throw needsStore(name, "filter");
  if (!queue.features.retry && options.maxRetries > 0) throw needsStore(name, "maxRetries");
}

/**
 * Messages that outlive their process have other processes that take them: a limit of one process would be no limit for
 * all.
 */
function checkGlobal(name: string, queue: BrokerQueue, store: Store | undefined): void {
  if (!store) throw needsStore(name, 'qpsScope: "global"');
  if (store.scope !== "process" || !queue.features.durable) return;
  const lack = `needs a store that all processes share, and "${store.name}" belongs to this process.`;
  throw new FunboostError("NEEDS_STORE", `"qpsScope: "global"" ${lack} ${storeAdvice}`, { where: name });
}
