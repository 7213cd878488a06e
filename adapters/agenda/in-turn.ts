/** Calls that wait for each other. */
import { within } from "../../src/base/clock.ts";

export interface Turns {
  /** So many at once. */
  readonly most: number;
  /** None waits longer for its turn: its caller has given up. */
  readonly patienceMs: number;
}

/**
 * The same call, a few at a time. What a pool has no connection for it soon counts as unanswered by the server, which
 * is busy with the others.
 */
export function inTurn<A extends unknown[], R>({ most, patienceMs }: Turns, call: (...args: A) => Promise<R>) {
  const waiting = new Set<() => void>();
  let free = most;
  async function takeTurn(): Promise<void> {
    if (free > 0) return void free--;
    let begin = () => {};
    const turn = new Promise<void>((resolve) => void (begin = resolve));
    waiting.add(begin);
    const isOurs = (await within(turn, patienceMs, { unref: true })) || !waiting.delete(begin);
    if (isOurs) return; // maybe in the last moment
    throw new Error(`timeout: waited ${patienceMs} ms for a connection, behind other calls`);
  }
  function endTurn(): void {
    const [next] = waiting;
    if (!next) return void free++;
    waiting.delete(next);
    next();
  }
  return async (...args: A): Promise<R> => {
    await takeTurn();
    try {
      return await call(...args);
    } finally {
      endTurn();
    }
  };
}
