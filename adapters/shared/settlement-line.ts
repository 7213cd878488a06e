/** Settlements on their way to the engine: one that it refuses must not hold the others, nor the next messages. */
import { clock } from "../../src/base/clock.ts";

/**
 * All go together. Where that fails time and again, one exchange goes without them: if it works, and together they then
 * fail once more, each goes by itself, and what fails alone waits ever longer.
 */
export interface SettlementLine<S> {
  add(settlement: S): void;
  /** What goes with the next exchange, at most `most`. `fetches`: it would bring messages, too. */
  next(most: number, fetches: boolean): readonly S[];
  /** The exchange that they went with has worked, or not. */
  succeeded(sent: readonly S[]): void;
  failed(sent: readonly S[]): void;
}

interface State<S> {
  waiting: S[];
  /** Exchanges in a row. */
  failures: number;
  /** The next exchange goes without them, or with one where it would bring nothing. */
  apart: boolean;
  /** That has worked. */
  worksApart: boolean;
  /** So many from the front each go by themselves. */
  alone: number;
  readonly refused: Map<S, { readonly tries: number; readonly dueAt: number }>;
  /** A refused one is to be tried again. */
  readonly onDue: () => void;
}

/** Until then it is trouble with the engine, which no settlement is to be blamed for. */
const failuresInARow = 3;
const pauseMs = { first: 1_000, longest: 60_000 };

export function createSettlementLine<S>(onDue: () => void): SettlementLine<S> {
  const refused: State<S>["refused"] = new Map();
  const state: State<S> = { waiting: [], failures: 0, apart: false, worksApart: false, alone: 0, refused, onDue };
  return {
    add: (settlement) => void state.waiting.push(settlement),
    next: (most, fetches) => next(state, most, fetches),
    succeeded: (sent) => succeeded(state, sent),
    failed(sent) {
      state.failures++;
      const [first] = sent;
      if (first !== undefined) failed(state, first);
    },
  };
}

function next<S>({ waiting, apart, alone, refused }: State<S>, most: number, fetches: boolean): readonly S[] {
  if (refused.size > 0)
    for (const [settlement, { dueAt }] of refused) if (dueAt <= clock.monotonic()) return [settlement];
  if (apart && fetches) return [];
  return waiting.slice(0, apart || alone > 0 ? 1 : most);
}

function succeeded<S>(state: State<S>, sent: readonly S[]): void {
  state.failures = 0;
  state.worksApart = state.apart;
  state.apart = false;
  const [first] = sent;
  if (first === undefined || state.refused.delete(first)) return;
  state.waiting = state.waiting.slice(sent.length);
  if (state.alone > 0) state.alone--;
}

function failed<S>(state: State<S>, first: S): void {
  const { waiting, apart, alone, worksApart, refused, failures } = state;
  if (refused.has(first)) return refuse(state, first);
  if (apart || alone > 0) waiting.shift();
  if (apart) waiting.push(first);
  else if (alone > 0) {
    state.alone--;
    refuse(state, first);
  } else if (worksApart) state.alone = waiting.length;
  if (state.alone === 0 && failures >= failuresInARow) state.apart = true;
}

function refuse<S>({ refused, onDue }: State<S>, settlement: S): void {
  const tries = (refused.get(settlement)?.tries ?? 0) + 1;
  const waitMs = Math.min(pauseMs.longest, pauseMs.first * 2 ** (tries - 1));
  refused.set(settlement, { tries, dueAt: clock.monotonic() + waitMs });
  clock.after(waitMs, onDue, { unref: true });
}
