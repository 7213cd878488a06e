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
const defaultGrace = "30s";

const signals = processWide("signals", (): { remove: (() => void) | undefined } => ({ remove: undefined }));

/**
 * Ends all consuming, flushes, and disconnects; then the process can exit by itself.
 *
 * @example
 * await shutdown({ grace: "10s" });
 */
export async function shutdown({ grace = defaultGrace }: { readonly grace?: Duration } = {}): Promise<void> {
  await stopAll(durationMs(grace, "grace"));
}

/** Answers whether all that ran has ended by itself. */
async function stopAll(graceMs: number): Promise<boolean> {
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
    return !outcomes.some((each) => each.status === "fulfilled" && !each.value);
  } finally {
    life.shuttingDown = false;
    life.used = false;
  }
}

/** All together: a run of one may wait for a child in the queue of another. */
function stopConsumers(graceMs: number): Promise<boolean>[] {
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

/**
 * First SIGTERM or Ctrl-C: finish within the grace time and exit. Second: at once. Asked by SIGTERM and all ended well
 * it exits with 0, because supervisors count anything else as a failure; with 143 where runs were cut off; after Ctrl-C
 * with 130, as shells expect.
 */
export function installSignalHandlers(): void {
  const handlers = signals();
  if (handlers.remove) return;
  let asked = false;
  const onSignal = (signal: NodeJS.Signals) => {
    const cutOff = signal === "SIGINT" ? 130 : 143;
    if (asked) return process.exit(cutOff);
    asked = true;
    const log = createLogger(configuration().log);
    log.info({ signal }, "stopping: running tasks may finish; again to stop at once");
    // Kept installed, so that the second signal is ours.
    handlers.remove = undefined;
    stopAll(durationMs(defaultGrace, "grace")).then(
      (clean) => process.exit(clean && signal !== "SIGINT" ? 0 : cutOff),
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
