/** Reads in a loop would never come to the timers of the process: a long one is answered after a turn of these. */
import { setImmediate } from "../../src/base/clock.ts";

const longFrom = 100;

interface Page {
  readonly items: readonly unknown[];
  readonly length: number;
  /** There are more: somebody reads them next. */
  readonly after: string;
}

/** `read`: a page, or a list. */
export async function yielding<T>(read: T): Promise<T> {
  const { items, length = items?.length ?? 0, after } = read as Partial<Page>;
  if (length >= longFrom || after !== undefined) await new Promise<void>((resolve) => void setImmediate(resolve));
  return read;
}
