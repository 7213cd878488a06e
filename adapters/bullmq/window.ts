/** How many jobs a BullMQ worker may hold at once: changed while it runs, and 0 stops its loop. */

import type { Worker } from "bullmq";
import { setImmediate } from "../../src/base/clock.ts";

/** `jobs`: what the worker holds. */
export function createWindow(worker: Worker, jobs: { readonly size: number }, report: (error: unknown) => void) {
  let window = 0;
  let waking = false;
  let stopped = false;
  // Both do their work before their first await: a pause and a resume in a row only wake the loop.
  const pause = () => void worker.pause(true).catch(report);
  const resume = () => {
    void worker.resume().catch(report);
    setImmediate(ensureRunning);
  };
  const run = () => void worker.run().catch(report);
  // A loop that was just ending when it was resumed does not start again by itself.
  const ensureRunning = () => !stopped && window > 0 && !worker.isRunning() && run();
  const wake = () => {
    waking = false;
    if (stopped || window === 0) return;
    pause();
    resume();
  };
  function set(n: number): void {
    if (stopped || n === window) return;
    const full = n > window && jobs.size >= window;
    window = n;
    if (n === 0) return pause();
    worker.concurrency = n;
    if (worker.isPaused()) resume();
    else if (!worker.isRunning()) run();
    else if (full && !waking) waking = Boolean(setImmediate(wake)); // BullMQ's loop sleeps until a slot is free
  }
  return {
    set,
    stop: () => {
      stopped = true;
      pause();
    },
  };
}
