/** BullMQ itself, loaded late: what is used of it. */
import { missingPeer } from "../shared/missing-peer.ts";

export type Bullmq = Pick<typeof import("bullmq"), "Job" | "Queue" | "Worker" | "WaitingError">;

export async function loadBullmq(): Promise<Bullmq> {
  try {
    return await import("bullmq");
  } catch (cause) {
    throw missingPeer("bullmq", "bullmq", cause, ["ioredis"]);
  }
}
