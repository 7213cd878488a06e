/** Trouble with an engine, said once: when it begins, and when it is over. That of a store is said by itself. */
import { clock } from "../base/clock.ts";
import { toError } from "../base/errors.ts";
import { createLogger, type Logger } from "../base/log.ts";
import { configuration } from "../setup/configure.ts";
import { brokerOf, nameOfBroker } from "../setup/definition.ts";
import type { Definition } from "../setup/model.ts";
import { healthBehind } from "../store/health.ts";

export interface Trouble {
  report(thrown: unknown): void;
  /** Called for each delivery: cheap while all is well. */
  over(): void;
}

const sayAgainMs = 60_000;

export function createTrouble(definition: Definition, log: Logger = createLogger({ ...configuration().log })): Trouble {
  let saidAt: number | undefined;
  const where = { queue: definition.params.queue, broker: nameOfBroker(brokerOf(definition)) };
  return {
    report(thrown) {
      const error = toError(thrown);
      const store = healthBehind(error);
      if (store) return store.say(log, where, error);
      const now = clock.monotonic();
      if (saidAt !== undefined && now - saidAt < sayAgainMs) return;
      saidAt = now;
      log.error({ ...where, error }, "trouble with the broker; trying again until it works");
    },
    over() {
      if (saidAt === undefined) return;
      saidAt = undefined;
      log.info(where, "the broker works again");
    },
  };
}
