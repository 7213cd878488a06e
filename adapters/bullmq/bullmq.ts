/** BullMQ itself, loaded late: what is used of it. */
import { missingPeer } from "../shared/missing-peer.ts";
import { usePeer } from "../shared/peer.ts";

export type Bullmq = Pick<typeof import("bullmq"), "Job" | "Queue" | "Worker" | "WaitingError">;

export async function loadBullmq(): Promise<Bullmq> {
  try {
    return usePeer("bullmq", "bullmq", await import("bullmq"), "Queue");
  } catch (cause) {
    throw missingPeer("bullmq", "bullmq", cause, ["ioredis"]);
  }
}
