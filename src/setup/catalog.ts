/** Brokers of one's own: under a name, or a shipped one with a changed behaviour. */

import { describe, FunboostError } from "../base/errors.ts";
import { processWide } from "../base/process-wide.ts";
import type { Broker, BrokerFactory, BrokerQueue } from "../contract/broker.ts";
import type { CheckedName } from "../contract/brokers.ts";
import { isBroker, isRecord } from "../options/checks.ts";
import { nearest } from "../options/nearest.ts";

type Brokers = Readonly<Record<string, () => Promise<BrokerFactory>>>;

/** The brokers that are known by name. */
export const catalog = processWide("catalog", (): { brokers: Brokers } => ({ brokers: {} }));

/**
 * Makes a broker known by a name, for `broker: "name"`, `configure({ brokers: { name: options } })` and
 * FUNBOOST_<NAME>_URL.
 * Throws BAD_OPTION for a name that is taken, or is no lower-case word.
 *
 * @example
 * registerBroker("stack", (options) => stack(options));
 */
export function registerBroker(name: string, factory: BrokerFactory): void {
  const { brokers } = catalog();
  if (typeof name !== "string" || !/^[a-z][a-z0-9-]*$/.test(name))
    throw new FunboostError(
      "BAD_OPTION",
      `a broker's name is ${describe(name)}. Allowed: lower-case letters, digits and "-", such as "my-stack".`,
    );
  if (Object.hasOwn(brokers, name))
    throw new FunboostError("BAD_OPTION", `there is a broker "${name}" already. Choose another name.`);
  if (typeof factory !== "function")
    throw new FunboostError(
      "BAD_OPTION",
      `registerBroker() takes a function that makes the broker, got ${describe(factory)}.`,
    );
  catalog().brokers = {
    ...brokers,
    [name]: async () => (options) => requireBroker(factory(options), `the factory of "${name}" answered`),
  };
}

/**
 * A name that is known only when the program runs, such as one from the environment, as a type that `broker` takes.
 * Throws BAD_OPTION for a name that no broker has, and says which there are: those of one's own are registered first.
 *
 * @example
 * const mail = boost({ queue: "mail", broker: brokerName(process.env.MAIL_BROKER ?? "sqlite") }, (to: string) => to);
 */
export function brokerName(name: string): CheckedName {
  const { brokers } = catalog();
  if (Object.hasOwn(brokers, name)) return name as CheckedName;
  throw noSuchBroker(name);
}

export function noSuchBroker(name: unknown): FunboostError {
  const known = Object.keys(catalog().brokers);
  const near = typeof name === "string" ? nearest(name, known) : undefined;
  const advice =
    known.length > 0
      ? `${near === undefined ? "" : `Did you mean "${near}"? `}Known: ${known.join(", ")}.`
      : 'Brokers are known by name only with "funboost"; ' +
        'with "funboost/core" pass an instance, such as memory() of "funboost/adapters/memory".';
  return new FunboostError("BAD_OPTION", `There is no broker ${describe(name)}. ${advice}`);
}

function requireBroker(broker: Broker, who: string): Broker {
  if (isBroker(broker)) return broker;
  throw new FunboostError(
    "BAD_OPTION",
    `${who} ${describe(broker)}. Needed: a broker, with name, features, open() and close().`,
  );
}

/**
 * The same broker with some calls of its queues replaced. `change` gets each queue as it is opened, and answers what is
 * to be different.
 *
 * @example
 * const loud = wrapBroker(memory(), (queue) => ({
 *   publish: async (messages) => (console.log(messages.length), queue.publish(messages)),
 * }));
 * @throws BAD_OPTION for what is no broker, and when a queue is opened for a `change` that answers no object.
 */
export function wrapBroker<QueueOptions>(
  broker: Broker<QueueOptions>,
  change: (queue: BrokerQueue, name: string) => Partial<BrokerQueue>,
): Broker<QueueOptions> {
  requireBroker(broker, "wrapBroker() takes a broker as its first argument, got");
  if (typeof change !== "function")
    throw new FunboostError(
      "BAD_OPTION",
      `wrapBroker() takes a function (queue, name) => changes, got ${describe(change)}.`,
    );
  return {
    ...broker,
    async open(spec) {
      const queue = await broker.open(spec);
      const changes: unknown = change(queue, spec.queue);
      if (isRecord(changes)) return { ...queue, ...changes };
      throw new FunboostError(
        "BAD_OPTION",
        `wrapBroker()'s function answered ${describe(changes)}. Needed: an object of calls to replace, or {}.`,
      );
    },
  };
}
