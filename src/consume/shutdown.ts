/** Stopping: all consumers stop fetching first, under one grace time; then brokers and stores close. */

import { within } from "../base/clock.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { toError } from "../base/errors.ts";
import { createLogger } from "../base/log.ts";
import { type Opened, shared } from "../base/process-wide.ts";
import { deadline } from "../setup/guarded-queue.ts";
import type { Consuming } from "./consume.ts";

const closeMs = 10_000;

/**
 * Ends all consuming, flushes, and disconnects; then the process can exit by itself.
 *
 * @example
 * await shutdown({ grace: "10s" });
 */
export async function shutdown({ grace = "30s" }: { readonly grace?: Duration } = {}): Promise<void> {
  const graceMs = durationMs(grace, "grace");
  const state = shared();
  state.removeSignalHandlers?.();
  const outcomes = await Promise.allSettled(stopConsumers(graceMs));
  state.shuttingDown = true; // not before: tasks that finish within the grace time may still publish
  try {
    forgetRuntimes();
    const brokers = [...state.brokers.values()];
    state.brokers.clear();
    const failed = [...outcomes, ...(await Promise.allSettled(brokers.map(closeOpened)))].find(
      (each) => each.status === "rejected",
    );
    if (failed) throw failed.reason;
  } finally {
    state.shuttingDown = false;
    state.used = false;
  }
}

/** All together: a run of one may wait for a child in the queue of another. */
function stopConsumers(graceMs: number): Promise<void>[] {
  const all = [...shared().consumers];
  const sum = (count: (each: Consuming) => number) => all.reduce((total, each) => total + count(each), 0);
  const others = { running: () => sum((each) => each.running()), suspended: () => sum((each) => each.suspended()) };
  return all.map((each) => each.stop({ graceMs, others }));
}

function forgetRuntimes(): void {
  const state = shared();
  state.generation++;
  for (const definition of state.resolved) {
    definition.runtime = undefined;
    definition.resolving = undefined;
  }
  state.resolved.clear();
}

/** One that still connects is closed when it has; nobody waits for a server that does not answer. The deadline keeps the process alive. */
async function closeOpened(opening: Promise<Opened>): Promise<void> {
  const closing = opening.then(
    ({ broker, store }) => deadline(Promise.all([broker.close(), store?.close()]), closeMs, "closing", broker.name),
    () => {},
  );
  if (!(await within(closing, closeMs))) closing.catch(() => {});
  else await closing;
}

/** First SIGTERM or Ctrl-C: finish within the grace time and exit. Second: at once. */
export function installSignalHandlers(): void {
  const state = shared();
  if (state.removeSignalHandlers) return;
  let asked = false;
  const onSignal = (signal: NodeJS.Signals) => {
    const code = signal === "SIGINT" ? 130 : 143;
    if (asked) process.exit(code);
    asked = true;
    const log = createLogger(state.config.log);
    log.info({ signal }, "stopping: running tasks may finish; again to stop at once");
    // Kept installed, so that the second signal is ours.
    state.removeSignalHandlers = undefined;
    shutdown().then(
      () => process.exit(code),
      (error) => {
        log.error({ error: toError(error) }, "stopped with an error");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  state.removeSignalHandlers = () => {
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
    state.removeSignalHandlers = undefined;
  };
}
