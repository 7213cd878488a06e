/**
 * filter: a task that was done with the same arguments is not done again. The key belongs to a task id: its own retries and redeliveries pass.
 *
 * `when: "done"`: claimed before the run, renewed while it runs, held over its retries, set to done after success, released at a final failure.
 * An equal message meanwhile is put behind; after success it is settled as filtered, with the owner's result.
 */
import { createHash } from "node:crypto";
import { repeat } from "../clock.ts";
import type { Delivery, Settlement } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import { describe, FunboostError } from "../errors.ts";
import type { FilterOptions } from "../filter-options.ts";
import type { Outcome } from "../outcome.ts";
import { insisting } from "../persist.ts";
import type { Runtime } from "../runtime.ts";

/** Until an equal message is looked at again. */
const meanwhileMs = 500;

/** What a message may do: run, wait behind the owner, or end because the owner (maybe itself) has done it. */
export type Claim =
  | { readonly may: "run"; readonly key: string }
  | { readonly may: "wait"; readonly settlement: Settlement }
  | { readonly may: "end"; readonly owner: string };

export interface Filter {
  claim(delivery: Delivery, args: readonly unknown[], given: string | undefined): Promise<Claim>;
  settle(key: string, id: string, settlement: Settlement): Promise<void>;
  stop(): Promise<void>;
}

/** The key in the store; `given` is the message's own `filterKey`. */
export function filterKey(scope: string, { key }: FilterOptions, args: readonly unknown[], given: string | undefined): string {
  const text: unknown = given ?? key?.(...args) ?? JSON.stringify(args, sortedMembers);
  if (typeof text !== "string") throw new FunboostError("BAD_ARGS", `filter.key() answered ${describe(text)}. Needed: a text.`);
  return `filter:${encodeURIComponent(scope)}:${createHash("sha256").update(text).digest("base64url")}`;
}

/** Equal objects are equal whatever the order of their members. */
function sortedMembers(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function isCancelled({ queue, scope }: Runtime, store: Store, id: string): Promise<boolean> {
  if (queue.result) return (await queue.result(id, { facts: false }))?.status === "cancelled";
  const [text] = await store.results.get(scope, [id]);
  return text !== undefined && (JSON.parse(text) as Outcome).status === "cancelled";
}

export function createFilter(runtime: Runtime, options: FilterOptions, store: Store, onError: (error: unknown) => void): Filter {
  const { leaseMs, scope } = runtime;
  const held = new Map<string, string>();
  const claimMs = 2 * leaseMs;
  const running = (id: string) => `run ${id}`;
  const extend = (keys: readonly [string, string][], ttlMs: number) =>
    store.set(keys.map(([key, id]) => ({ key, value: running(id), ttlMs, if: { equals: running(id) } })));
  /** A retry that was cancelled while it waited cannot give its key back. */
  const takesOver = async (found: string, key: string, id: string) => {
    if (!(await insisting(runtime, () => isCancelled(runtime, store, found.slice(4))))) return false;
    const [won] = await insisting(runtime, () => store.set([{ key, value: running(id), ttlMs: claimMs, if: { equals: found } }]));
    if (won) held.set(key, id);
    return won;
  };
  const stopRenewing = repeat(
    leaseMs / 3,
    async () => {
      if (held.size > 0) await extend([...held], claimMs);
    },
    onError,
  );
  return {
    async claim({ id }, args, given) {
      const key = filterKey(scope, options, args, given);
      const [claimed] = await insisting(runtime, () => store.set([{ key, value: running(id), ttlMs: claimMs, if: "absent" }]));
      const [found] = claimed ? [running(id)] : await insisting(runtime, () => store.get([key]));
      if (found === running(id)) {
        held.set(key, id);
        return { may: "run", key };
      }
      if (found?.startsWith("done ")) return { may: "end", owner: found.slice(5) };
      if (found?.startsWith("run ") && (await takesOver(found, key, id))) return { may: "run", key };
      return { may: "wait", settlement: { outcome: "postponed", delayMs: meanwhileMs } };
    },
    async settle(key, id, settlement) {
      held.delete(key);
      await insisting(runtime, async () => {
        if (settlement.outcome === "done") await store.set([{ key, value: `done ${id}`, ttlMs: options.ttlMs }]);
        else if (settlement.outcome === "failed") await store.set([{ key, value: "", ttlMs: 1, if: { equals: running(id) } }]);
        else await extend([[key, id]], claimMs + ("delayMs" in settlement ? settlement.delayMs : 0));
      });
    },
    stop: stopRenewing,
  };
}
