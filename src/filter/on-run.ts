/**
 * filter: a task that was done with the same arguments is not done again.
 * The key belongs to a task id: its own retries and redeliveries pass.
 *
 * `when: "done"`: claimed before the run, renewed while it runs, kept over its retries, released at a final failure.
 * The done mark holds the result too, so one write decides both: whoever is killed after it, all find the result.
 * An equal message meanwhile is put behind; after success it is settled as filtered, with the owner's result.
 */

import { repeat } from "../base/clock.ts";
import { readStored } from "../base/json.ts";
import type { Delivery, Settlement } from "../contract/broker.ts";
import type { SetEntry, Store } from "../contract/store.ts";
import type { FilterOptions } from "../options/filter.ts";
import type { OpenQueue } from "../setup/model.ts";
import { setAtOnce } from "../store/at-once.ts";
import { insist } from "../store/insist.ts";
import type { Outcome } from "../task/outcome.ts";
import { filterKey, isCancelled, releaseEntry } from "./key.ts";

/** Until an equal message is looked at again. */
const meanwhileMs = 500;
const runPrefix = "run ";
const donePrefix = "done ";

/** What a message may do: run, wait behind the owner, or end because the owner (maybe itself) has done it. */
export type Claim =
  | { readonly may: "run"; readonly key: string }
  | { readonly may: "wait"; readonly settlement: Settlement }
  | { readonly may: "end"; readonly owner: Outcome };

/** What is to run. */
export interface ClaimedCall {
  readonly delivery: Delivery;
  readonly args: readonly unknown[];
  readonly limits: { readonly filterKey?: string };
  readonly job: string | undefined;
}

export interface Filter {
  /** No promise where the store has it at once. */
  claim(call: ClaimedCall): Promise<Claim> | Claim;
  /** From then on no equal message runs. Its claim is not renewed any more: it must be written. `outcome` as JSON. */
  doneMark(key: string, id: string, outcome: string): SetEntry;
  /** It has ended otherwise, for good or for now. */
  settle(key: string, id: string, settlement: Settlement): Promise<void>;
  stop(): Promise<void>;
}

export function createFilter(
  task: OpenQueue,
  options: FilterOptions,
  store: Store,
  onError: (error: unknown) => void,
): Filter {
  const { leaseMs, scope } = task;
  const owners = new Map<string, string>();
  const claims: Claims = { task, store, owners, claimMs: 2 * leaseMs };
  const stop = repeat(leaseMs / 3, () => renew(claims), onError);
  return {
    claim: ({ delivery, args, limits, job }) =>
      take(claims, filterKey(scope, options, args, limits.filterKey, job), delivery.id),
    doneMark(key, id, outcome) {
      owners.delete(key);
      return { key, value: donePrefix + outcome, ttlMs: options.ttlMs, if: { equals: runMark(id) } };
    },
    async settle(key, id, settlement) {
      owners.delete(key);
      await insist(task, async () => {
        if (settlement.outcome === "failed") await store.set([releaseEntry(key, runMark(id))]);
        else await extend(claims, [[key, id]], claims.claimMs + ("delayMs" in settlement ? settlement.delayMs : 0));
      });
    },
    stop,
  };
}

interface Claims {
  readonly task: OpenQueue;
  readonly store: Store;
  /** Claimed by this process: key to task id. */
  readonly owners: Map<string, string>;
  readonly claimMs: number;
}

const runMark = (id: string) => `${runPrefix}${id}`;

function extend({ store }: Claims, keys: readonly [string, string][], ttlMs: number): Promise<readonly boolean[]> {
  return store.set(keys.map(([key, id]) => ({ key, value: runMark(id), ttlMs, if: { equals: runMark(id) } })));
}

/** One that lapsed unseen, while the store stood still, is taken again unless somebody else has it. */
async function renew(claims: Claims): Promise<void> {
  const { store, owners, claimMs } = claims;
  const mine = [...owners];
  if (mine.length === 0) return;
  const held = await extend(claims, mine, claimMs);
  const lapsed = mine.filter(([key, id], i) => !held[i] && owners.get(key) === id);
  if (lapsed.length > 0)
    await store.set(lapsed.map(([key, id]) => ({ key, value: runMark(id), ttlMs: claimMs, if: "absent" as const })));
}

function take(claims: Claims, key: string, id: string): Promise<Claim> | Claim {
  const { task, store, owners, claimMs } = claims;
  const claim: SetEntry = { key, value: runMark(id), ttlMs: claimMs, if: "absent" };
  const decide = (claimed: boolean | undefined): Promise<Claim> | Claim => {
    if (!claimed) return meet(claims, key, id);
    owners.set(key, id);
    return { may: "run", key };
  };
  const claimed = setAtOnce(store, claim);
  if (claimed !== undefined) return decide(claimed);
  return insist(task, () => store.set([claim])).then(([each]) => decide(each));
}

/** Somebody has it: another message, or this one before. */
async function meet(claims: Claims, key: string, id: string): Promise<Claim> {
  const { task, store, owners } = claims;
  const [found] = await insist(task, () => store.get([key]));
  if (found === runMark(id)) {
    owners.set(key, id);
    return { may: "run", key };
  }
  if (found?.startsWith(donePrefix)) {
    const owner = readStored<Outcome>(found.slice(donePrefix.length));
    if (owner) return { may: "end", owner };
  }
  if (found !== undefined && (await takesOver(claims, found, key, id))) return { may: "run", key };
  return { may: "wait", settlement: { outcome: "postponed", delayMs: meanwhileMs } };
}

/** A retry that was cancelled while it waited cannot give its key back, nor can what others have written there. */
async function takesOver(
  { task, store, owners, claimMs }: Claims,
  found: string,
  key: string,
  id: string,
): Promise<boolean> {
  const isOurs = found.startsWith(runPrefix);
  if (isOurs && !(await insist(task, () => isCancelled(task, found.slice(runPrefix.length))))) return false;
  const [won = false] = await insist(task, () =>
    store.set([{ key, value: runMark(id), ttlMs: claimMs, if: { equals: found } }]),
  );
  if (won) owners.set(key, id);
  return won;
}
