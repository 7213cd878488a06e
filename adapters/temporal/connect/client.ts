/** One gRPC connection of the Temporal adapter: where to, what the server can do, and what its errors mean. */
import type { Connection, ConnectionOptions } from "@temporalio/client";
import { clock, sleep } from "../../../src/base/clock.ts";
import { describe, FunboostError, isFunboostError, maskSecrets, toError } from "../../../src/base/errors.ts";
import type { Service } from "./protocol.ts";

export type Peer = Pick<
  typeof import("@temporalio/client"),
  "Connection" | "defaultGrpcRetryOptions" | "makeGrpcRetryInterceptor"
>;

export interface Target {
  /** Host and port. */
  readonly address: string;
  readonly namespace: string;
  readonly tls?: ConnectionOptions["tls"];
  readonly apiKey?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What this server and namespace have. */
export interface Server {
  readonly standalone: boolean;
  /** Without it a standalone activity's delay is dropped silently. */
  readonly standaloneDelay: boolean;
  readonly priority: boolean;
  readonly payloadLimit: number;
}

/** A delay is never ignored: what has one is a standalone activity only where the server keeps it. */
export const takesActivity = ({ standalone, standaloneDelay }: Server, delayMs: number): boolean =>
  standalone && (delayMs <= 0 || standaloneDelay);

export interface TemporalClient {
  readonly service: Service;
  readonly target: Target;
  readonly server: Server;
  /** "pid@host", as Temporal's own workers are called. */
  readonly identity: string;
  explain(error: unknown): Error;
  /** Runs `call`, which must have ended in time, or when the signal aborts. */
  bounded<T>(ms: number, call: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  close(): Promise<void>;
}

type Interceptor = NonNullable<ConnectionOptions["interceptors"]>[number];

const connectMs = 5_000;
/** Of a publish, with its second tries: one that was refused must not come through later. */
const startMs = 9_000;
const startTries = 3;
/** Between two tries: closing waits for the last. */
const longestPauseMs = 2_000;
/** How much later than asked for a timer may ring. */
const timerMs = 20;
/** gRPC's own go up to two minutes. */
const reconnect = { "grpc.initial_reconnect_backoff_ms": 100, "grpc.max_reconnect_backoff_ms": 2_000 };
const standardLimit = 2 * 1024 * 1024;
const codes = {
  cancelled: 1,
  invalid: 3,
  deadline: 4,
  notFound: 5,
  forbidden: 7,
  exhausted: 8,
  precondition: 9,
  unimplemented: 12,
  down: 14,
  unknownUser: 16,
};
/** Older ones lack calls that a queue needs. */
const oldestVersion = [1, 29] as const;
/** Priorities came with 1.31; earlier servers take them and ignore them. */
const priorityVersion = [1, 31] as const;

export const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;
/** What we asked about is not there, or not any more. */
export const isGone = (error: unknown): boolean => codeOf(error) === codes.notFound;
/** It ended while we looked at it. */
export const isOver = (error: unknown): boolean => codeOf(error) === codes.precondition;
/** Worth another try. */
export const isAway = (error: unknown): boolean =>
  [codes.down, codes.deadline, codes.exhausted].includes(codeOf(error) as number);
/** "Exhausted" is also what a busy server says. */
export const isTooLarge = (error: unknown): boolean =>
  codeOf(error) === codes.invalid ||
  (codeOf(error) === codes.exhausted && /larger than max/i.test((error as Error).message));

export async function connect(peer: Peer, target: Target, identity: string): Promise<TemporalClient> {
  const explain = (error: unknown) => explained(error, target);
  let connection: Connection | undefined;
  const retries = makeRetries(peer);
  try {
    const { address, tls, apiKey, metadata } = target;
    connection = peer.Connection.lazy({
      address,
      connectTimeout: connectMs,
      interceptors: [retries.interceptor],
      channelArgs: reconnect,
      ...(tls === undefined ? {} : { tls }),
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(metadata && { metadata: { ...metadata } }),
    });
    const opened = connection;
    const bounded: TemporalClient["bounded"] = (ms, call, signal) =>
      opened.withDeadline(Date.now() + ms, () => (signal ? opened.withAbortSignal(signal, call) : call()));
    await connection.ensureConnected();
    const server = await bounded(connectMs, () => look(opened.workflowService, target));
    return {
      service: connection.workflowService,
      target,
      server,
      identity,
      explain,
      bounded,
      close: () => retries.stop().then(() => opened.close()),
    };
  } catch (error) {
    await retries.stop();
    await connection?.close().catch(() => {}); // why it failed says more
    throw explain(error);
  }
}

/**
 * As the client does it by itself, but publishes give up in time. Each next try is a timer of the client's, which throws, uncaught,
 * when it finds its connection closed (seen in 1.24): `stop` ends the tries, and resolves when the last timer is over.
 */
function makeRetries({ defaultGrpcRetryOptions, makeGrpcRetryInterceptor }: Peer): {
  readonly interceptor: Interceptor;
  stop(): Promise<void>;
} {
  let stopped = false;
  let nextAt = 0;
  const stoppable = ({ retryableDecider, delayFunction }: ReturnType<typeof defaultGrpcRetryOptions>) =>
    makeGrpcRetryInterceptor({
      retryableDecider: (attempt, status) => !stopped && retryableDecider(attempt, status),
      delayFunction(attempt, status) {
        const delayMs = Math.min(longestPauseMs, delayFunction(attempt, status));
        nextAt = Math.max(nextAt, now() + delayMs);
        return delayMs;
      },
    });
  const patient = stoppable(defaultGrpcRetryOptions());
  const prompt = stoppable(defaultGrpcRetryOptions({ maxAttempts: startTries }));
  return {
    interceptor(options, next) {
      const starts = /\/Start(?:Workflow|Activity)Execution$/.test(options.method_definition.path);
      return starts
        ? prompt({ ...options, deadline: options.deadline ?? Date.now() + startMs }, next)
        : patient(options, next);
    },
    async stop() {
      stopped = true;
      if (nextAt > now()) await sleep(nextAt - now() + timerMs, { unref: true });
    },
  };
}

async function look(service: Service, target: Target): Promise<Server> {
  const [{ serverVersion = "" }, { namespaceInfo }] = await Promise.all([
    service.getSystemInfo({}),
    service.describeNamespace({ namespace: target.namespace }),
  ]);
  refuseOld(serverVersion, target);
  const { capabilities, limits } = namespaceInfo ?? {};
  return {
    standalone: capabilities?.standaloneActivities ?? false,
    standaloneDelay: capabilities?.standaloneActivityStartDelay ?? false,
    priority: isAtLeast(serverVersion, priorityVersion),
    payloadLimit: Number(limits?.blobSizeLimitError ?? 0) || standardLimit,
  };
}

export function refuseOld(version: string, { address }: Target): void {
  if (isAtLeast(version, oldestVersion)) return;
  const message = `Temporal at ${address} is of version ${version}: funboost needs ${oldestVersion.join(".")} or later. Upgrade the server.`;
  throw new FunboostError("BROKER_REFUSED", message, { where: "temporal" });
}

/** Temporal's cloud names no version: it is always new. */
function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const found = /^(\d+)\.(\d+)/.exec(version);
  if (!found) return true;
  const [, first, second] = found.map(Number) as [number, number, number];
  return first > major || (first === major && second >= minor);
}

function explained(error: unknown, { address, namespace }: Target): Error {
  if (isFunboostError(error)) return error;
  const code = codeOf(error) ?? codeOf((error as { cause?: unknown }).cause);
  const cause = toError(error);
  const text = maskSecrets(detailsOf(error));
  const refused = (fix: string) =>
    new FunboostError("BROKER_REFUSED", `Temporal at ${address} refused: ${text} ${fix}`, { where: "temporal", cause });
  if (code === codes.forbidden || code === codes.unknownUser)
    return refused('Check "apiKey" or the client certificate in "tls", and its rights in the namespace.');
  if (code === codes.notFound && /namespace/i.test(text))
    return refused(`Create the namespace "${namespace}", or set "namespace" to one that is there.`);
  if (code === codes.unimplemented) return refused("Is it a Temporal server, of version 1.29 or later?");
  if (code === codes.down || code === codes.deadline || isTransport(cause)) {
    const fix = 'Is the server up, and "address" right? A server with TLS needs "tls", or "apiKey".';
    return new FunboostError("BROKER_DOWN", `Temporal at ${address} cannot be reached: ${text} ${fix}`, {
      where: "temporal",
      cause,
    });
  }
  return cause;
}

function isTransport({ name, message }: Error): boolean {
  return (
    name === "TransportError" ||
    /Failed to connect before the deadline|Timeout expired|transport error|Channel has been shut down/i.test(message)
  );
}

function detailsOf(error: unknown): string {
  const { details, message, cause } = error as { details?: string; message?: string; cause?: unknown };
  const text: string = (cause ? detailsOf(cause) : "") || details || message || describe(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** At most `n` calls at once; the others wait in order. */
export function limited(n: number): <T>(call: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  const free = () => {
    const next = waiting.shift();
    if (next) next();
    else running--;
  };
  return async (call) => {
    if (running < n) running++;
    else await new Promise<void>((start) => waiting.push(start));
    try {
      return await call();
    } finally {
      free();
    }
  };
}

/** Waits between tries while a server is away. */
export const pauseMs = (tries: number): number => Math.min(5_000, 100 * 2 ** Math.min(tries, 6));

export const now = clock.monotonic;
