/** Brokers of one's own: under a name, or a shipped one with a changed behaviour. */
import type { Broker, BrokerFactory, BrokerQueue } from "./contract/broker.ts";
import { describe, FunboostError } from "./errors.ts";
import { shared } from "./global.ts";

/**
 * Makes a broker known by a name, for `broker: "name"`, `configure({ brokers: { name: options } })` and FUNBOOST_<NAME>_URL.
 * Throws BAD_OPTION for a name that is taken, or is no lower-case word.
 *
 * @example
 * registerBroker("stack", (options) => stack(options));
 */
export function registerBroker(name: string, factory: BrokerFactory): void {
  const { catalog } = shared();
  if (typeof name !== "string" || !/^[a-z][a-z0-9-]*$/.test(name))
    throw new FunboostError("BAD_OPTION", `a broker's name is ${describe(name)}. Allowed: lower-case letters, digits and "-", such as "my-stack".`);
  if (Object.hasOwn(catalog, name)) throw new FunboostError("BAD_OPTION", `there is a broker "${name}" already. Choose another name.`);
  if (typeof factory !== "function")
    throw new FunboostError("BAD_OPTION", `registerBroker() takes a function that makes the broker, got ${describe(factory)}.`);
  shared().catalog = { ...catalog, [name]: async () => factory };
}

/**
 * The same broker with some calls of its queues replaced. `change` gets each queue as it is opened, and answers what is to be different.
 *
 * @example
 * const loud = wrapBroker(memory(), (queue) => ({
 *   publish: async (messages) => (console.log(messages.length), queue.publish(messages)),
 * }));
 */
export function wrapBroker(broker: Broker, change: (queue: BrokerQueue, name: string) => Partial<BrokerQueue>): Broker {
  return {
    ...broker,
    async open(spec) {
      const queue = await broker.open(spec);
      return { ...queue, ...change(queue, spec.queue) };
    },
  };
}
