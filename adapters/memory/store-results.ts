/** The results of the memory store, and who waits for them. */
import { clock } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import type { LateResult, Results } from "../../src/contract/index.ts";
import { answer, hear, type Settle, type WaitMap, waitFor, waitKey } from "../shared/wait-for.ts";
import { createExpiringMap, type ExpiringMap } from "./expiring-map.ts";

interface Kept {
  outcome: LateResult["outcome"];
  readonly publishedAt: number | undefined;
}

/** Most results are read by nobody: a text is made at the first look. */
function textOf(kept: Kept | undefined): string | undefined {
  if (typeof kept?.outcome === "object") kept.outcome = JSON.stringify(kept.outcome);
  return kept?.outcome as string | undefined;
}

/** Of two lives of an id. */
const isLater = ({ publishedAt }: LateResult, { publishedAt: other = Number.NEGATIVE_INFINITY }: Kept): boolean =>
  publishedAt !== undefined && publishedAt > other;

function createWait(waits: WaitMap, read: (queue: string, id: string) => string | undefined): Results["wait"] {
  const wait = async (queue: string, id: string, signal: AbortSignal) => {
    signal.throwIfAborted();
    return read(queue, id) ?? waitFor(waits, waitKey(queue, id), signal);
  };
  return Object.assign(wait, {
    hear(queue: string, id: string, heard: Settle) {
      const outcome = read(queue, id);
      if (outcome === undefined) return hear(waits, waitKey(queue, id), heard);
      heard(outcome);
      return () => {};
    },
  });
}

function addQueue(queues: Map<string, ExpiringMap<Kept>>, queue: string): ExpiringMap<Kept> {
  const made = createExpiringMap<Kept>();
  queues.set(queue, made);
  return made;
}

export function createResults(): Results & { clear(): void } {
  const queues = new Map<string, ExpiringMap<Kept>>();
  const waits: WaitMap = new Map();
  const atOnce = (queue: string, result: LateResult) => {
    const { id, outcome, ttlMs, publishedAt } = result;
    const known = queues.get(queue) ?? addQueue(queues, queue);
    const before = known.get(id);
    if (before && !isLater(result, before)) return;
    const kept = { outcome, publishedAt };
    known.put(id, kept, clock.monotonic() + ttlMs);
    if (waits.size > 0 && waits.has(waitKey(queue, id))) answer(waits, waitKey(queue, id), textOf(kept) as string);
  };
  const put = async (queue: string, results: readonly LateResult[]) => {
    for (const result of results) atOnce(queue, result);
  };
  return {
    put: Object.assign(put, { atOnce }),
    get: async (queue, ids) => ids.map((id) => textOf(queues.get(queue)?.get(id))),
    async delete(queue, ids) {
      for (const id of ids) queues.get(queue)?.delete(id);
    },
    wait: createWait(waits, (queue, id) => textOf(queues.get(queue)?.get(id))),
    clear() {
      queues.clear();
      for (const key of [...waits.keys()])
        answer(
          waits,
          key,
          new FunboostError("STORE", "the store was closed while a result was waited for.", { where: "memory" }),
        );
    },
  };
}
