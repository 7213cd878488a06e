/** How a Temporal consumer ends: nothing is lost on its way, no attempt and no crash is counted. */
import { within } from "../../../src/clock.ts";
import type { Consumer } from "../../../src/contract/index.ts";
import type { Parts, State } from "./held.ts";
import { untilQuiet } from "./slots.ts";

const forcedMs = 2_000;

/** `running` resolves when the worker is down and all that it brought has been dealt with. */
export function makeClose(parts: Parts, running: Promise<void>): Consumer["close"] {
  const { state } = parts;
  let closing: Promise<void> | undefined;
  let forcing: Promise<void> | undefined;
  const graceful = async () => {
    await untilQuiet(
      () => state.slots?.polling() ?? 0,
      () => state.lastArrivalAt,
    );
    await untilIdle(state);
    state.stop.abort();
    await running;
  };
  return ({ force = false } = {}) => {
    if (state.phase === "open") state.phase = "closing";
    if (force) forcing ??= giveAllBack(parts, running);
    else closing ??= graceful();
    return forcing ?? (closing as Promise<void>);
  };
}

async function untilIdle({ held, arriving, onIdle }: State): Promise<void> {
  await Promise.all(arriving);
  if (held.size > 0) await new Promise<void>((resolve) => onIdle.push(() => held.size === 0 && resolve()));
}

/** What is held goes to others now, not when its lease ends. */
async function giveAllBack({ state, settler, report }: Parts, running: Promise<void>): Promise<void> {
  state.phase = "forced";
  const held = [...state.held.values()];
  state.held.clear();
  state.forced.abort();
  await within(Promise.allSettled(held.map((entry) => settler.giveBack(entry))), forcedMs);
  state.stop.abort();
  for (const wake of state.onIdle) wake();
  await within(running, forcedMs).catch(report);
}
