/** Stopping: all consumers stop fetching first, under one grace time; then brokers and stores close. */

import { within } from "../base/clock.ts";
import { deadline } from "../base/deadline.ts";
import { type Duration, durationMs } from "../base/duration.ts";
import { toError } from "../base/errors.ts";
import { lifetime } from "../base/lifetime.ts";
import { createLogger } from "../base/log.ts";
import { processWide } from "../base/process-wide.ts";
import { configuration } from "../setup/configure.ts";
import { definitionsInUse } from "../setup/open.ts";
import { brokersInUse, type OpenBroker } from "../setup/open-broker.ts";
import { consumers, type KnownConsumer } from "./consumers.ts";

const closeMs = 10_000;

const signals = processWide("signals", (): { remove: (() => void) | undefined } => ({ remove: undefined }));

/**
 * Ends all consuming, flushes, and disconnects; then the process can exit by itself.
 *
 * @example
 * await shutdown({ grace: "10s" });
 */
export async function shutdown({ grace = "30s" }: { readonly grace?: Duration } = {}): Promise<void> {
  const graceMs = durationMs(grace, "grace");
  const life = lifetime();
  signals().remove?.();
  const outcomes = await Promise.allSettled(stopConsumers(graceMs));
  life.shuttingDown = true; // not before: tasks that finish within the grace time may still publish
  try {
    forgetTasks();
    const brokers = [...brokersInUse().values()];
    brokersInUse().clear();
    const failed = [...outcomes, ...(await Promise.allSettled(brokers.map(closeBroker)))].find(
      (each) => each.status === "rejected",
    );
    if (failed) throw failed.reason;
  } finally {
    life.shuttingDown = false;
    life.used = false;
  }
}

/** All together: a run of one may wait for a child in the queue of another. */
function stopConsumers(graceMs: number): Promise<void>[] {
  const all = [...consumers()];
  const sum = (count: (each: KnownConsumer) => number) => all.reduce((total, each) => total + count(each), 0);
  const others = { running: () => sum((each) => each.running()), suspended: () => sum((each) => each.suspended()) };
  return all.map((each) => each.stop({ graceMs, others }));
}

function forgetTasks(): void {
  lifetime().generation++;
  for (const definition of definitionsInUse()) {
    definition.open = undefined;
    definition.opening = undefined;
  }
  definitionsInUse().clear();
}

/**
 * One that still connects is closed when it has; nobody waits for a server that does not answer. The deadline keeps the
 * process alive.
 */
async function closeBroker(opening: Promise<OpenBroker>): Promise<void> {
  const closing = opening.then(
    ({ broker, store }) => deadline(Promise.all([broker.close(), store?.close()]), closeMs, "closing", broker.name),
    () => {},
  );
  if (!(await within(closing, closeMs))) closing.catch(() => {});
  else await closing;
}

/** First SIGTERM or Ctrl-C: finish within the grace time and exit. Second: at once. */
export function installSignalHandlers(): void {
  const handlers = signals();
  if (handlers.remove) return;
  let asked = false;
  const onSignal = (signal: NodeJS.Signals) => {
    const code = signal === "SIGINT" ? 130 : 143;
    if (asked) process.exit(code);
    asked = true;
    const log = createLogger(configuration().log);
    log.info({ signal }, "stopping: running tasks may finish; again to stop at once");
    // Kept installed, so that the second signal is ours.
    handlers.remove = undefined;
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
  handlers.remove = () => {
    process.off("SIGTERM", onSignal);
    process.off("SIGINT", onSignal);
    handlers.remove = undefined;
  };
}
