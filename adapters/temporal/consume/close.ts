/** How a Temporal consumer ends: nothing is lost on its way, no attempt and no crash is counted. */
import { within } from "../../../src/base/clock.ts";
import type { Consumer } from "../../../src/contract/index.ts";
import { untilQuiet } from "../connect/quiet.ts";
import type { Polls } from "./polls.ts";
import { type ConsumerParts, type ConsumerState, tellWatchers, until } from "./state.ts";

const forcedMs = 2_000;

/**
 * `release` gives up the connection. What open polls bring until then, and while others keep it, is given back as it
 * comes.
 */
export function createClose(parts: ConsumerParts, polls: Polls, release: () => Promise<void>): Consumer["close"] {
  const { state } = parts;
  let closing: Promise<void> | undefined;
  let forcing: Promise<void> | undefined;
  const over = async () => {
    state.stop.abort();
    await release();
    await Promise.all([...state.intakes, ...state.stays]);
  };
  const graceful = async () => {
    await untilQuiet(polls.open, () => state.lastArrivalAt);
    await untilIdle(state);
    await over();
  };
  return ({ force = false } = {}) => {
    if (state.phase === "open") state.phase = "closing";
    tellWatchers(state);
    if (force) forcing ??= giveAllBack(parts, over);
    else closing ??= graceful();
    return forcing ?? (closing as Promise<void>);
  };
}

async function untilIdle(state: ConsumerState): Promise<void> {
  await Promise.all([...state.intakes, ...state.stays]);
  await until(state, () => state.held.size === 0);
}

/** What is held goes to others now, not when its lease ends. */
async function giveAllBack({ state, settler, report }: ConsumerParts, over: () => Promise<void>): Promise<void> {
  state.phase = "forced";
  const held = [...state.held.values()];
  state.held.clear();
  state.forced.abort();
  await within(Promise.allSettled(held.map((entry) => settler.giveBack(entry))), forcedMs);
  tellWatchers(state);
  await within(over(), forcedMs).catch(report);
}
