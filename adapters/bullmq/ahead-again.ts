/** Jobs that go ahead of all, and were delayed. */
import type { Job } from "bullmq";
import { clock } from "../../src/base/clock.ts";

/**
 * BullMQ lets a lifo job that was delayed come last. Brings it to the front when it is due; if this process is gone by
 * then, it comes last.
 */
export function aheadAgainAfter(delayMs: number, find: () => Promise<Job | undefined>): void {
  const bring = async () => {
    const job = await find();
    await job?.promote().catch(() => {}); // it may have been promoted
    await job?.changePriority({ lifo: true });
  };
  clock.after(delayMs + 5, () => void bring().catch(() => {}), { unref: true });
}
