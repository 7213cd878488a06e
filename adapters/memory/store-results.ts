/** The results of the memory store, and who waits for them. */
import { clock } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import type { NewResult, Results } from "../../src/contract/index.ts";
import { type Settle, waitFor } from "../shared/wait-for.ts";
import { createExpiringMap, type ExpiringMap } from "./expiring-map.ts";

type Kept = Pick<NewResult, "outcome" | "publishedAt">;

/** Of two lives of an id. */
const isLater = ({ publishedAt }: Kept, { publishedAt: other = Number.NEGATIVE_INFINITY }: Kept): boolean =>
  publishedAt !== undefined && publishedAt > other;

export function createResults(): Results & { clear(): void } {
  const queues = new Map<string, ExpiringMap<Kept>>();
  const waits = new Map<string, Set<Settle>>();
  const keyOf = (queue: string, id: string) => `${queue.length}:${queue}${id}`;
  const answer = (key: string, outcome: string | Error) => {
    for (const settle of waits.get(key) ?? []) settle(outcome);
  };
  return {
    async put(queue, results) {
      const now = clock.monotonic();
      const known = queues.get(queue) ?? createExpiringMap<Kept>();
      queues.set(queue, known);
      for (const result of results) {
        const { id, outcome, ttlMs } = result;
        const kept = known.get(id);
        if (kept && !isLater(result, kept)) continue;
        known.put(id, result, now + ttlMs);
        if (waits.size > 0) answer(keyOf(queue, id), outcome);
      }
    },
    get: async (queue, ids) => ids.map((id) => queues.get(queue)?.get(id)?.outcome),
    async delete(queue, ids) {
      for (const id of ids) queues.get(queue)?.delete(id);
    },
    async wait(queue, id, signal) {
      signal.throwIfAborted();
      return queues.get(queue)?.get(id)?.outcome ?? waitFor(waits, keyOf(queue, id), signal);
    },
    clear() {
      queues.clear();
      for (const key of [...waits.keys()])
        answer(
          key,
          new FunboostError("STORE", "the store was closed while a result was waited for.", { where: "memory" }),
        );
    },
  };
}
