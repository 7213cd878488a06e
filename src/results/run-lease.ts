/**
 * A lease that the rows of a process's starts name: a key in the store that ends by itself, so that no clocks are
 * compared. One for all runs of a queue in this process, renewed while there are any.
 */
import { randomUUID } from "node:crypto";
import { clock, repeat } from "../base/clock.ts";
import { lifetime } from "../base/lifetime.ts";
import type { Store } from "../contract/store.ts";
import type { OpenQueue, RunLease } from "../setup/model.ts";
import { healthOf } from "../store/health.ts";

const leaseKey = (scope: string, id: string) => `runs:${encodeURIComponent(scope)}:${id}`;

export function createRunLease({ scope, leaseMs, options, log }: OpenQueue, store: Store): RunLease {
  const id = randomUUID();
  const { generation } = lifetime();
  let runs = 0;
  let renewedAt = Number.NEGATIVE_INFINITY;
  let stop: (() => Promise<void>) | undefined;
  const renew = async () => {
    const askedAt = clock.monotonic();
    await store.set([{ key: leaseKey(scope, id), value: "held", ttlMs: leaseMs }]);
    renewedAt = askedAt;
  };
  const goOn = async () => {
    if (runs > 0 && generation === lifetime().generation) return renew();
    void stop?.();
    stop = undefined;
  };
  return {
    id,
    begin() {
      runs++;
      stop ??= repeat(leaseMs / 4, goOn, (error) => healthOf(store).say(log, { queue: options.queue }, error));
    },
    end: () => void runs--,
    hold: async () => (clock.monotonic() - renewedAt < leaseMs / 4 ? undefined : renew()),
  };
}

/** Those of these leases that are over: whose process has died, or stands still. */
export async function endedLeases(store: Store, scope: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const each = [...new Set(ids)];
  const held = each.length > 0 ? await store.get(each.map((id) => leaseKey(scope, id))) : [];
  return new Set(each.filter((_, i) => held[i] === undefined));
}
