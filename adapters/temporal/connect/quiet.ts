/** The end of polling: long polls cannot be called back. */
import { clock, sleep } from "../../../src/base/clock.ts";

const shortQuietMs = 40;
const longestQuietMs = 400;

/**
 * Waits, with no new poll, for those that bring something at once; the others would hang for longer, and are cut off.
 * What a poll brings while its process goes down would be lost for as long as the server waits for an answer.
 */
export async function untilQuiet(
  polling: () => number,
  lastArrivalAt: () => number,
  quietMs = shortQuietMs,
): Promise<void> {
  const from = clock.monotonic();
  for (
    let time = from;
    polling() > 0 && time - Math.max(from, lastArrivalAt()) < quietMs && time - from < longestQuietMs;
    time = clock.monotonic()
  ) {
    await sleep(5, { unref: true });
  }
}
