/** When a call to a Temporal server is tried again. */
import type { ConnectionOptions } from "@temporalio/client";
import { clock, sleep } from "../../../src/base/clock.ts";

export type RetryPeer = Pick<
  typeof import("@temporalio/client"),
  "defaultGrpcRetryOptions" | "makeGrpcRetryInterceptor"
>;

type Interceptor = NonNullable<ConnectionOptions["interceptors"]>[number];

/** Of a publish, with its second tries: one that was refused must not come through later. */
const startMs = 9_000;
const startTries = 3;
/** Between two tries: closing waits for the last. */
const longestPauseMs = 2_000;
/** How much later than asked for a timer may ring. */
const timerMs = 20;

/** Waits between tries while a server is away. */
export const pauseMs = (tries: number): number => Math.min(5_000, 100 * 2 ** Math.min(tries, 6));

export interface Retries {
  readonly interceptor: Interceptor;
  stop(): Promise<void>;
}

/**
 * As the client does it by itself, but publishes give up in time. Each next try is a timer of the client's, which
 * throws, uncaught, when it finds its connection closed (seen in 1.24): `stop` ends the tries, and resolves when the
 * last timer is over.
 */
export function createRetries({ defaultGrpcRetryOptions, makeGrpcRetryInterceptor }: RetryPeer): Retries {
  let stopped = false;
  let nextAt = 0;
  const stoppable = ({ retryableDecider, delayFunction }: ReturnType<typeof defaultGrpcRetryOptions>) =>
    makeGrpcRetryInterceptor({
      retryableDecider: (attempt, status) => !stopped && retryableDecider(attempt, status),
      delayFunction(attempt, status) {
        const delayMs = Math.min(longestPauseMs, delayFunction(attempt, status));
        nextAt = Math.max(nextAt, clock.monotonic() + delayMs);
        return delayMs;
      },
    });
  const patient = stoppable(defaultGrpcRetryOptions());
  const prompt = stoppable(defaultGrpcRetryOptions({ maxAttempts: startTries }));
  return {
    interceptor(options, next) {
      const starts = /\/Start(?:Workflow|Activity)Execution$/.test(options.method_definition.path);
      return starts
        ? prompt({ ...options, deadline: options.deadline ?? clock.now() + startMs }, next)
        : patient(options, next);
    },
    async stop() {
      stopped = true;
      if (nextAt > clock.monotonic()) await sleep(nextAt - clock.monotonic() + timerMs, { unref: true });
    },
  };
}
