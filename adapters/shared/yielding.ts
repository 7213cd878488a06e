/** Reads in a loop would never come to the timers of the process: a long one is answered after a turn of these. */
import { setImmediate } from "../../src/base/clock.ts";

const longFrom = 100;

/** `read`: a page, or a list. */
export async function yielding<T>(read: T): Promise<T> {
  const { items, length = items?.length ?? 0 } = read as { items?: readonly unknown[]; length?: number };
  if (length >= longFrom) await new Promise<void>((resolve) => void setImmediate(resolve));
  return read;
}
