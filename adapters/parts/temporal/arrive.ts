/** What becomes of each task that a poll brings to a Temporal consumer. */
import { sleep } from "../../../src/clock.ts";
import type { Handler, Settlement } from "../../../src/contract/index.ts";
import { now, pauseMs } from "./client.ts";
import { type Fates, firstFate, isFresh } from "./fate.ts";
import { beat, type Held, isOpen, makeFasterBeats, type Parts, type State, tellWatchers } from "./held.ts";
import { mustStay, putAside, stay, stayOf } from "./kept.ts";
import type { PollAnswer } from "./protocol.ts";
import type { Fated } from "./settle.ts";
import { type Task, toDelivery, toTask, traceOf } from "./task.ts";

export function makeTake(parts: Parts, fates: Fates, handler: Handler): (answer: PollAnswer) => void {
  const { state, settler, options, queue, report } = parts;
  const beatFaster = makeFasterBeats(parts);

  function hand({ task, fate }: Fated): void {
    const controller = options.signal ? new AbortController() : undefined;
    const delivery = toDelivery(queue.queue, task, fate, controller?.signal);
    const entry: Held = { delivery, task, fate, since: now(), controller };
    state.held.set(delivery, entry);
    beatFaster(task.leaseMs);
    void handler(delivery).then((settlement) => end(entry, settlement));
  }

  const end = async (entry: Held, settlement: Settlement): Promise<void> => {
    if (state.phase !== "open" || !mustStay(entry, settlement)) await settle(parts, entry, settlement);
    else if (putAside(parts, entry)) keep(entry, stayOf(settlement));
    tellWatchers(state);
  };

  const keep = (fated: Fated, delayMs: number) => track(state, state.kept, () => stay(parts, fated, delayMs).then(() => handOrReturn(fated)));

  async function handOrReturn(fated: Fated): Promise<void> {
    if (isOpen(state)) hand(fated);
    else if (fated.task.isLast && state.phase === "open") keep(fated, 0);
    else await settler.giveBack(fated).catch(report);
  }

  return (answer) => {
    const task = toTask(answer);
    state.lastArrivalAt = now();
    // The first delivery has no history to ask for: nothing to wait for.
    if (task.deliveries === 1 && isOpen(state)) return hand({ task, fate: firstFate(task) });
    track(state, state.arriving, async () => {
      const fated = await withFate(parts, fates, task);
      if (fated) await handOrReturn(fated);
    });
  };
}

function track(state: State, these: Set<Promise<void>>, work: () => Promise<void>): void {
  const tracked = work().finally(() => {
    these.delete(tracked);
    tellWatchers(state);
  });
  these.add(tracked);
}

/** Undefined: the consumer is over, and its lease ends. */
async function withFate(parts: Parts, fates: Fates, task: Task): Promise<Fated | undefined> {
  const { state, report } = parts;
  for (let tries = 0; ; tries++) {
    try {
      const fate = await fates.of(task);
      // Says its fate before anything can happen to it. A failed beat is no harm: the next one tells of trouble.
      if (!isFresh(fate)) await beat(parts, { task, fate }).catch(() => {});
      return { task, fate };
    } catch (error) {
      report(error);
      if (state.stop.signal.aborted) return undefined;
      await sleep(pauseMs(tries), { signal: state.stop.signal, unref: true });
    }
  }
}

async function settle({ state, settler, options, queue }: Parts, entry: Held, settlement: Settlement): Promise<void> {
  const { delivery, task } = entry;
  const applied = state.phase !== "forced" && (await settler.settle(entry, settlement, state.forced.signal));
  if (!state.held.delete(delivery)) return options.onSettled(delivery, "stale"); // given back by force
  if (settlement.outcome === "done" || settlement.outcome === "failed") queue.recent.ended = traceOf(task, now());
  options.onSettled(delivery, applied ? "applied" : "stale");
}
