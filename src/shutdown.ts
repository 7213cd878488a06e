/** Stopping: all consumers stop fetching first, under one grace time; then brokers and stores close. */
import { type Duration, durationMs } from "./duration.ts";
import { toError } from "./errors.ts";
import { type Opened, shared } from "./global.ts";
import { createLogger } from "./log.ts";
import { deadline } from "./observed.ts";

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
  const outcomes = await Promise.allSettled([...state.consumers].map((consumer) => consumer.close({ graceMs })));
  state.consumers.clear();
  state.shuttingDown = true; // not before: tasks that finish within the grace time may still publish
  try {
    for (const definition of [...state.definitions.values()].flat()) {
      definition.runtime = undefined;
      definition.resolving = undefined;
    }
    const opened = await Promise.allSettled([...state.brokers.values()]);
    state.brokers.clear();
    const closing = opened.flatMap((each) => (each.status === "fulfilled" ? [closeBoth(each.value)] : []));
    const failed = [...outcomes, ...(await Promise.allSettled(closing))].find((each) => each.status === "rejected");
    if (failed) throw failed.reason;
  } finally {
    state.shuttingDown = false;
    state.used = false;
  }
}

/** The deadline also keeps the process alive: sockets are unref'd. */
function closeBoth({ broker, store }: Opened): Promise<unknown> {
  return deadline(Promise.all([broker.close(), store?.close()]), closeMs, "closing", broker.name);
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
