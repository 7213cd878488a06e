/** How many jobs a BullMQ worker may hold at once: changed while it runs, and 0 stops its loop. */

import type { Worker } from "bullmq";
import { setImmediate } from "../../src/base/clock.ts";
import { loopOf } from "./major.ts";

/** `jobs`: what the worker holds. */
export function createWindow(worker: Worker, jobs: { readonly size: number }, report: (error: unknown) => void) {
  let window = 0;
  let waking = false;
  let stopped = false;
  const loop = loopOf(worker, () => arrange(true));
  const pause = () => void worker.pause(true).catch(report);
  const room = () => window - loop.uncounted();
  const ensureRunning = () => {
    if (!stopped && room() > 0 && !worker.isRunning()) worker.run().catch(report);
  };
  const wake = () => {
    waking = false;
    if (stopped || jobs.size >= window) return;
    loop.wake();
    worker.concurrency = room();
    setImmediate(ensureRunning);
  };
  function arrange(full: boolean): void {
    if (stopped || room() <= 0) return pause();
    worker.concurrency = room();
    if (worker.isPaused()) loop.resume().catch(report);
    else ensureRunning();
    setImmediate(ensureRunning); // a loop that was just ending when it was resumed does not start again by itself
    if (full && jobs.size > 0 && !waking) waking = Boolean(setImmediate(wake)); // it sleeps until a job ends
  }
  function set(n: number): void {
    if (n === window) return;
    const full = n > window && jobs.size >= window;
    window = n;
    arrange(full);
  }
  const stop = () => {
    stopped = true;
    pause();
  };
  return { set, stop };
}
