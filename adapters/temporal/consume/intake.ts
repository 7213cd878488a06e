/** What becomes of each task that a poll brings to a Temporal consumer. */
import { clock, sleep } from "../../../src/base/clock.ts";
import type { Handler, Settlement } from "../../../src/contract/index.ts";
import type { PollAnswer } from "../connect/protocol.ts";
import { pauseMs } from "../connect/retries.ts";
import { type ActivityTask, recentOf, toActivityTask, toDelivery } from "./activity-task.ts";
import { type Arrival, type DeliveryCounter, firstCounts, isFresh } from "./delivery-counts.ts";
import { beat, createFasterBeats } from "./heartbeat.ts";
import { type ConsumerParts, type ConsumerState, type HeldTask, mayRun, roomIn, tellWatchers } from "./state.ts";
import { mustStay, stay, stayMs } from "./stay.ts";

interface Intake {
  readonly parts: ConsumerParts;
  readonly counter: DeliveryCounter;
  readonly handler: Handler;
  readonly beatFaster: (leaseMs: number | undefined) => void;
}

export function createIntake(
  parts: ConsumerParts,
  counter: DeliveryCounter,
  handler: Handler,
): (answer: PollAnswer) => void {
  const intake: Intake = { parts, counter, handler, beatFaster: createFasterBeats(parts) };
  return (answer) => takeIn(intake, answer);
}

function takeIn(intake: Intake, answer: PollAnswer): void {
  const { state } = intake.parts;
  const task = toActivityTask(answer);
  state.lastArrivalAt = clock.monotonic();
  // The first delivery has no history to ask for: nothing to wait for.
  if (task.deliveries === 1 && mayRun(state)) return hand(intake, { task, counts: firstCounts(task) });
  track(state, "intakes", async () => {
    const arrival = await arrivalOf(intake, task);
    if (!arrival) return;
    if (mayRun(state)) hand(intake, arrival);
    else await putBack(intake, arrival);
  });
}

function hand(intake: Intake, { task, counts }: Arrival): void {
  const { state, options, queue } = intake.parts;
  const controller = options.signal ? new AbortController() : undefined;
  const delivery = toDelivery(queue.queue, task, counts, controller?.signal);
  const entry: HeldTask = { delivery, task, counts, since: clock.monotonic(), controller };
  state.held.set(delivery, entry);
  intake.beatFaster(task.leaseMs);
  void intake.handler(delivery).then((settlement) => end(intake, entry, settlement));
}

async function end(intake: Intake, entry: HeldTask, settlement: Settlement): Promise<void> {
  const { state, options } = intake.parts;
  if (state.phase === "open" && mustStay(entry, settlement)) {
    state.held.delete(entry.delivery);
    letStay(intake, entry, stayMs(settlement));
    options.onSettled(entry.delivery, "applied");
  } else await settle(intake.parts, entry, settlement);
  tellWatchers(state);
}

function letStay(intake: Intake, arrival: Arrival, delayMs: number): void {
  const { state } = intake.parts;
  track(state, "stays", async () => {
    if (!(await stay(intake.parts, arrival, delayMs))) return;
    if (roomIn(state) > 0) hand(intake, arrival);
    else await putBack(intake, arrival); // another of those that were woken has the place
  });
}

async function putBack(intake: Intake, arrival: Arrival): Promise<void> {
  const { state, settler, report } = intake.parts;
  if (arrival.task.isLast && state.phase === "open") letStay(intake, arrival, 0);
  else await settler.giveBack(arrival).catch(report);
}

function track(state: ConsumerState, where: "intakes" | "stays", work: () => Promise<void>): void {
  const these = state[where];
  const tracked = work().finally(() => {
    these.delete(tracked);
    tellWatchers(state);
  });
  these.add(tracked);
}

/** Undefined: it is not ours any more, or the consumer is over and its lease ends. */
async function arrivalOf({ parts, counter }: Intake, task: ActivityTask): Promise<Arrival | undefined> {
  const { state, report } = parts;
  const since = clock.monotonic();
  for (let tries = 0; ; tries++) {
    try {
      const arrival = { task, counts: await counter.of(task) };
      const isQuick = clock.monotonic() - since < (task.leaseMs ?? Number.POSITIVE_INFINITY) / 4;
      if (isFresh(arrival.counts) && isQuick) return arrival;
      // Says its counts before anything can happen to it. A failed beat is no harm: the next one tells of trouble.
      const answer = await beat(parts, arrival).catch(() => "ours");
      return answer === "gone" ? undefined : arrival;
    } catch (error) {
      report(error);
      if (state.stop.signal.aborted) return undefined;
      await sleep(pauseMs(tries), { signal: state.stop.signal, unref: true });
    }
  }
}

async function settle(
  { state, settler, options, queue }: ConsumerParts,
  entry: HeldTask,
  settlement: Settlement,
): Promise<void> {
  const { delivery, task } = entry;
  const applied = state.phase !== "forced" && (await settler.settle(entry, settlement, state.forced.signal));
  if (!state.held.delete(delivery)) return options.onSettled(delivery, "stale"); // given back by force
  if (settlement.outcome === "done" || settlement.outcome === "failed")
    queue.recent.ended = recentOf(task, clock.monotonic());
  options.onSettled(delivery, applied ? "applied" : "stale");
}
