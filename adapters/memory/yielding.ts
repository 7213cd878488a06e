/** Reads in a loop would never come to the timers of the process: a long one is answered after a turn of these. */
import { setImmediate } from "../../src/base/clock.ts";

const longFrom = 100;

export async function yielding<T>(answer: T, items: number): Promise<T> {
  if (items >= longFrom) await new Promise<void>((resolve) => void setImmediate(resolve));
  return answer;
}
