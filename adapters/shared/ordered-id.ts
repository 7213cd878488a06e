/** Message ids that grow: UUIDv7, in order within a process, and an index takes them at its end. */
import { randomFillSync } from "node:crypto";
import { v7 } from "uuid";
import { clock } from "../../src/base/clock.ts";

/** Random bytes of 256 ids are fetched at once: one call for each id took longer than storing the message. */
const pool = new Uint8Array(16 * 256);
let used = pool.length;
let last = { msecs: 0, seq: 0 };

export function orderedId(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const random = pool.subarray(used, (used += 16));
  const now = clock.now();
  // A clock that went back keeps its last time, and counts on; the counter starts low enough to last.
  if (now > last.msecs)
    last = { msecs: now, seq: ((random[6] as number) << 16) | ((random[7] as number) << 8) | (random[8] as number) };
  else last.seq += 1;
  return v7({ random, msecs: last.msecs, seq: last.seq });
}
