/** A queue's maintenance, which rescues what dead processes held: by one process at a time where there is a store. */
import { repeat } from "../base/clock.ts";
import { deadline } from "../base/deadline.ts";
import { inSpan, isWatched, maintaining } from "../base/events.ts";
import type { BrokerQueue } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import type { OpenQueue } from "../setup/model.ts";
import { type Lease, takeLease } from "../store/lease.ts";

type Maintain = NonNullable<BrokerQueue["maintain"]>;

/** A turn that takes longer hangs. */
const leastTurnMs = 30_000;

interface Lead {
  /** Absent where there is no store: then every process leads. */
  readonly lease?: Lease;
  readonly over: AbortController;
}

interface State {
  readonly task: OpenQueue;
  readonly maintain: Maintain;
  /** While it is this process's. */
  lead: Lead | undefined;
  stopped: boolean;
}

/**
 * The same process for as long as it lives and its turns work: what fails here may work elsewhere.
 * Only those that consume the queue stand for it. Answers the function that ends it.
 */
export function startMaintenance(
  task: OpenQueue,
  maintain: Maintain,
  onError: (error: unknown) => void,
): () => Promise<void> {
  const state: State = { task, maintain, lead: undefined, stopped: false };
  const endTurns = repeat(task.leaseMs / 4, () => takeTurn(state), onError);
  return async () => {
    state.stopped = true;
    state.lead?.over.abort();
    await endTurns();
    await concede(state);
  };
}

async function takeTurn(state: State): Promise<void> {
  const { task, maintain } = state;
  const { store, scope, leaseMs, brokerName } = task;
  if (state.lead?.lease && !state.lead.lease.isOurs()) await concede(state);
  state.lead ??= store ? await standFor(store, scope, leaseMs) : { over: new AbortController() };
  if (!state.lead || state.stopped) return;
  const turn = maintainInSpan(task, maintain, state.lead.over.signal);
  await deadline(turn, Math.max(leastTurnMs, 4 * leaseMs), "maintain()", brokerName).catch(async (error: unknown) => {
    await concede(state);
    throw error;
  });
}

async function concede(state: State): Promise<void> {
  const { lead } = state;
  state.lead = undefined;
  lead?.over.abort();
  await lead?.lease?.release();
}

function maintainInSpan({ options, brokerName }: OpenQueue, maintain: Maintain, signal: AbortSignal): Promise<void> {
  return isWatched(maintaining)
    ? inSpan(maintaining, { queue: options.queue, broker: brokerName }, () => maintain(signal))
    : maintain(signal);
}

async function standFor(store: Store, scope: string, ttlMs: number): Promise<Lead | undefined> {
  const lease = await takeLease(store, {
    name: `maintain:${scope}`,
    ttlMs,
    what: `the maintenance of queue "${scope}"`,
  });
  if (!lease) return undefined;
  const over = new AbortController();
  lease.lost.addEventListener("abort", () => over.abort(lease.lost.reason));
  return { lease, over };
}
