/** What becomes of each task that a poll brings to a Temporal consumer. */
import { sleep } from "../../../src/base/clock.ts";
import type { Handler, Settlement } from "../../../src/contract/index.ts";
import { now, pauseMs } from "../connect/client.ts";
import type { PollAnswer } from "../connect/protocol.ts";
import { type Fated, type Task, toDelivery, toTask, traceOf } from "./activity-task.ts";
import { type Fates, firstFate, isFresh } from "./delivery-counts.ts";
import { beat, type Held, isOpen, makeFasterBeats, type Parts, roomIn, type State, tellWatchers } from "./state.ts";
import { mustStay, stay, stayOf } from "./stay.ts";

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
    if (state.phase === "open" && mustStay(entry, settlement)) {
      state.held.delete(entry.delivery);
      keep(entry, stayOf(settlement));
      options.onSettled(entry.delivery, "applied");
    } else await settle(parts, entry, settlement);
    tellWatchers(state);
  };

  const keep = (fated: Fated, delayMs: number) =>
    track(state, "kept", async () => {
      if (!(await stay(parts, fated, delayMs))) return;
      if (roomIn(state) > 0) hand(fated);
      else await putBack(fated); // another of those that were woken has the place
    });

  const putBack = (fated: Fated) =>
    fated.task.isLast && state.phase === "open" ? keep(fated, 0) : settler.giveBack(fated).catch(report);

  return (answer) => {
    const task = toTask(answer);
    state.lastArrivalAt = now();
    // The first delivery has no history to ask for: nothing to wait for.
    if (task.deliveries === 1 && isOpen(state)) return hand({ task, fate: firstFate(task) });
    track(state, "arriving", async () => {
      const fated = await withFate(parts, fates, task);
      if (!fated) return;
      if (isOpen(state)) hand(fated);
      else await putBack(fated);
    });
  };
}

function track(state: State, where: "arriving" | "kept", work: () => Promise<void>): void {
  const these = state[where];
  const tracked = work().finally(() => {
    these.delete(tracked);
    tellWatchers(state);
  });
  these.add(tracked);
}

/** Undefined: it is not ours any more, or the consumer is over and its lease ends. */
async function withFate(parts: Parts, fates: Fates, task: Task): Promise<Fated | undefined> {
  const { state, report } = parts;
  const since = now();
  for (let tries = 0; ; tries++) {
    try {
      const fated = { task, fate: await fates.of(task) };
      const isQuick = now() - since < (task.leaseMs ?? Number.POSITIVE_INFINITY) / 4;
      if (isFresh(fated.fate) && isQuick) return fated;
      // Says its fate before anything can happen to it. A failed beat is no harm: the next one tells of trouble.
      const answer = await beat(parts, fated).catch(() => "ours");
      return answer === "gone" ? undefined : fated;
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
