/** How long a delivery waits that could not be ended: ever longer. Counted in this process, and no trip to a store. */
import { createForgetfulMap } from "../base/forgetful-map.ts";
import type { Delivery } from "../contract/broker.ts";
import type { OpenQueue } from "../setup/model.ts";

const firstMs = 1_000;
const longestMs = 60_000;

export interface Pauses {
  /** Of one more failure. */
  next(task: OpenQueue, delivery: Delivery): { readonly tries: number; readonly delayMs: number };
  /** It has ended. */
  forget(task: OpenQueue, delivery: Delivery): void;
}

export function createPauses(): Pauses {
  const failures = createForgetfulMap<string, number>(10_000);
  const keyOf = ({ scope }: OpenQueue, { id, publishedAt }: Delivery) => `${scope} ${id} ${publishedAt ?? 0}`;
  return {
    next(task, delivery) {
      const key = keyOf(task, delivery);
      const tries = (failures.get(key) ?? 0) + 1;
      failures.set(key, tries);
      return { tries, delayMs: Math.min(longestMs, firstMs * 2 ** (tries - 1)) };
    },
    forget: (task, delivery) => failures.delete(keyOf(task, delivery)),
  };
}
