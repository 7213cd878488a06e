/** A consumer's entry among those of the process, from before it connects to its end. One for each queue. */
import { clearInterval, setInterval, within } from "../base/clock.ts";
import { FunboostError } from "../base/errors.ts";
import { definitionOn, sameBroker, titleOf } from "../setup/definition.ts";
import type { Definition } from "../setup/model.ts";
import type { RunningConsumer } from "./consumer.ts";
import { consumers, type KnownConsumer } from "./consumers.ts";

/** The same as `consume` sees it. */
export interface Registration extends KnownConsumer {
  /** Given to this consumer, in the place of the tasks' own. */
  readonly concurrency: number | undefined;
  consumer: RunningConsumer | undefined;
  opening: Promise<unknown> | undefined;
  forget(): void;
}

export function createRegistration(definition: Definition, stop: AbortController, concurrency?: number): Registration {
  const keepAlive = setInterval(() => {}, 2 ** 30); // sockets are unref'd: a consuming process stays
  const registration: Registration = {
    definition,
    consumed: new Set([definition]),
    concurrency,
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

function consumerOn({ params }: Definition): KnownConsumer | undefined {
  const on = (each: Definition) => each.params.queue === params.queue && sameBroker(each, { params });
  return [...consumers()].find((each) => on(each.definition));
}

function namesake({ consumed }: KnownConsumer, { params }: Definition): Definition | undefined {
  return [...consumed].find((each) => each.params.job === params.job);
}

/** The consumer of its queue, where that serves tasks of other names. */
export function joinedBy(definition: Definition): Registration | undefined {
  const other = consumerOn(definition);
  if (!other || other.consumed.size === 0) return undefined;
  const older = namesake(other, definition);
  return !older || isReplacedInside(other, older, definition) ? (other as Registration) : undefined;
}

/** Defined again, while others that it serves are not: they go on. */
function isReplacedInside({ consumed }: KnownConsumer, older: Definition, definition: Definition): boolean {
  const others = [...consumed].filter((each) => each !== older);
  return others.length > 0 && isAgain(older, definition) && others.every((each) => definitionOn(each.params) === each);
}

function isAgain(older: Definition, { fn }: Definition): boolean {
  return older.fn !== fn && Boolean(older.fn?.name) && older.fn?.name === fn?.name;
}

/**
 * The same function defined before (hot reload): it gives way. Two functions that consume one queue under one name are
 * a mistake.
 */
export function replacedBy(definition: Definition): KnownConsumer | undefined {
  const other = consumerOn(definition);
  if (!other) return undefined;
  const older = namesake(other, definition) ?? other.definition;
  if (older !== definition && older.fn?.name && older.fn.name === definition.fn?.name) {
    consumers().delete(other);
    return other;
  }
  throw twoConsumers(older, definition);
}

function twoConsumers(older: Definition, definition: Definition): FunboostError {
  const { job } = definition.params;
  const who = older === definition ? "this task" : `another function, ${older.fn?.name || "(anonymous)"}`;
  const advice = job === undefined ? "give each function its own queue" : "give each function its own job";
  const second =
    older === definition || job === undefined ? "" : `, so ${definition.fn?.name || "(anonymous)"} cannot be`;
  const title = titleOf(definition.params).replace("queue", "Queue");
  const text = `${title} is consumed already, by ${who}${second}. Close that consumer first, or ${advice}.`;
  return new FunboostError("TWO_CONSUMERS", text);
}
