/** Notices of new jobs: in this process at once, between processes, bare Agenda's too, by the backend's channel. */

import type { AgendaBackend, JobId, NotificationChannel } from "agenda";
import { setImmediate, within } from "../../src/base/clock.ts";

export interface AgendaNotices {
  /** False: only a poll hears of what others publish. */
  isHeard(): boolean;
  listen(name: string, listener: () => void): () => void;
  /** Tells of one new job in the name of all that came with it. */
  announce(name: string, id: string, nextRunAt: Date): Promise<void>;
  close(): Promise<void>;
}

const closeMs = 1_000;

/** `own`: the backend was made here, so its channel is connected here. Else it is used as its user has connected it. */
export async function createNotices(backend: AgendaBackend, own: boolean, source: string): Promise<AgendaNotices> {
  const listeners = new Map<string, Set<() => void>>();
  const tell = (name: string) => listeners.get(name)?.forEach((listener) => listener());
  const channel = backend.notificationChannel;
  const stopHearing = channel?.subscribe((notice) => (notice.source === source ? undefined : tell(notice.jobName)));
  if (channel && own) {
    channel.on("error", () => {}); // a poll stands behind it
    channel.on("stateChange", (state) =>
      state === "connected" ? [...listeners.keys()].forEach(tell) : setImmediate(() => release(channel)),
    );
    await channel.connect();
  }
  return {
    isHeard: () => channel?.state === "connected",
    listen(name, listener) {
      listeners.set(name, (listeners.get(name) ?? new Set()).add(listener));
      return () => {
        const left = listeners.get(name);
        if (left?.delete(listener) && left.size === 0) listeners.delete(name);
      };
    },
    async announce(name, id, nextRunAt) {
      tell(name);
      if (channel?.state !== "connected") return;
      await channel
        .publish({ jobId: id as JobId, jobName: name, nextRunAt, priority: 0, timestamp: new Date(), source })
        .catch(() => {});
    },
    async close() {
      stopHearing?.();
      if (channel && own)
        await within(
          channel.disconnect().catch(() => {}),
          closeMs,
        ); // a listener waits for its server
    },
  };
}

/** Its timer must not keep the process alive. */
function release(channel: NotificationChannel): void {
  (channel as unknown as { reconnectTimeout?: NodeJS.Timeout }).reconnectTimeout?.unref();
}
