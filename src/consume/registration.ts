/** A consumer's entry among those of the process, from before it connects to its end. One for each queue. */
import { clearInterval, setInterval, within } from "../base/clock.ts";
import { FunboostError } from "../base/errors.ts";
import { sameBroker } from "../setup/definition.ts";
import type { Definition } from "../setup/model.ts";
import type { RunningConsumer } from "./consumer.ts";
import { consumers, type KnownConsumer } from "./consumers.ts";

/** The same as `consume` sees it. */
export interface Registration extends KnownConsumer {
  consumer: RunningConsumer | undefined;
  opening: Promise<unknown> | undefined;
  forget(): void;
}

export function createRegistration(definition: Definition, stop: AbortController): Registration {
  const keepAlive = setInterval(() => {}, 2 ** 30); // sockets are unref'd: a consuming process stays
  const registration: Registration = {
    definition,
    consumer: undefined,
    opening: undefined,
    running: () => registration.consumer?.running() ?? 0,
    suspended: () => registration.consumer?.suspended() ?? 0,
    async stop(options) {
      stop.abort();
      const opened = registration.opening?.catch(() => {}) ?? Promise.resolve();
      await within(opened, options.graceMs);
      return (await registration.consumer?.stop(options).finally(registration.forget)) ?? true;
    },
    forget() {
      clearInterval(keepAlive);
      consumers().delete(registration);
    },
  };
  return registration;
}

/**
 * The same function defined before (hot reload): it gives way. Two functions that consume one queue are a mistake.
 */
export function replacedBy(definition: Definition): KnownConsumer | undefined {
  const { queue } = definition.params;
  const other = [...consumers()].find(
    (each) => each.definition.params.queue === queue && sameBroker(each.definition, definition),
  );
  if (!other) return undefined;
  const { fn } = other.definition;
  if (other.definition !== definition && fn?.name && fn.name === definition.fn?.name) {
    consumers().delete(other);
    return other;
  }
  const who = other.definition === definition ? "this task" : `another function, ${fn?.name || "(anonymous)"}`;
  throw new FunboostError(
    "TWO_CONSUMERS",
    `Queue "${queue}" is consumed already, by ${who}. Close that consumer first, or give each function its own queue.`,
  );
}
