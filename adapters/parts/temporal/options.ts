/** The options of the Temporal adapter: types, defaults, and what is refused before anything is opened. */
import type { ConnectionOptions } from "@temporalio/client";
import type { QueueSpec } from "../../../src/contract/index.ts";
import { describe, FunboostError } from "../../../src/errors.ts";
import type { BundleOption } from "./bundle.ts";
import type { Target } from "./client.ts";
import { checkQueue, whyNoQueue } from "./protocol.ts";
import type { Mode } from "./publish.ts";
import { pauseName } from "./queue.ts";

export interface TemporalOptions {
  /** Host and port. @default "127.0.0.1:7233" */
  readonly address?: string;
  /** The same as `address`; "temporal://host:port" and "https://host:port" (with TLS) are understood too. */
  readonly url?: string;
  /** Must be there already. @default "default" */
  readonly namespace?: string;
  /** True, or certificates. @default off; on with `apiKey` */
  readonly tls?: ConnectionOptions["tls"];
  readonly apiKey?: string;
  /** Headers of every request. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * How messages travel: "activity" is faster and needs a server with standalone activities, "workflow" works on every server,
   * "auto" takes what the server has; a delayed message goes as a workflow where the server would ignore its delay. @default "auto"
   */
  readonly mode?: Mode;
  /** The task queue on which workflows are carried forward; one for an app. @default "funboost.orchestrator" */
  readonly orchestrator?: string;
  /** The workflow's bundle, made on another machine: for images that are read-only or bundled. @default built once, kept in the user's cache folder */
  readonly bundle?: BundleOption;
}

/** `brokerOptions` of a task on Temporal. */
export interface TemporalQueueOptions {
  readonly mode?: Mode;
  /** Temporal's own limit for this task queue, over all workers of any kind: approximate, and the last that polls decides. `qps` is exact. */
  readonly maxTaskQueueActivitiesPerSecond?: number;
}

const modes: readonly Mode[] = ["auto", "workflow", "activity"];
const optionNames = ["address", "url", "namespace", "tls", "apiKey", "metadata", "mode", "orchestrator", "bundle"];
const queueOptionNames = ["mode", "maxTaskQueueActivitiesPerSecond"];

export interface Checked {
  readonly target: Target;
  readonly mode: Mode;
  readonly orchestrator: string;
  readonly bundle: BundleOption | undefined;
}

export function checkOptions(options: TemporalOptions): Checked {
  checkNames(options, optionNames, "temporal()");
  const { namespace = "default", mode = "auto", orchestrator = "funboost.orchestrator", tls, apiKey, metadata, bundle } = options;
  checkMode(mode, "");
  if (typeof namespace !== "string" || namespace === "") throw badOption(`namespace must be the name of one that is there, got ${describe(namespace)}.`);
  const why = typeof orchestrator === "string" ? whyNoQueue(orchestrator, [pauseName]) : "Allowed is text";
  if (why) throw badOption(`orchestrator must be the name of a task queue, got ${describe(orchestrator)}. ${why}.`);
  if (bundle !== undefined && (typeof bundle?.codePath !== "string" || bundle.codePath === ""))
    throw badOption(`bundle must be { codePath: "file.js" }, got ${describe(bundle)}.`);
  const { address, secure } = addressOf(options.address ?? options.url ?? "127.0.0.1:7233");
  const useTls = tls ?? (secure || undefined);
  const target: Target = {
    address,
    namespace,
    ...(useTls === undefined ? {} : { tls: useTls }),
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(metadata && { metadata }),
  };
  return { target, mode, orchestrator, bundle };
}

function addressOf(text: unknown): { address: string; secure: boolean } {
  const [, scheme, rest = ""] = /^(?:(\w+):\/\/)?(.*?)\/?$/.exec(typeof text === "string" ? text : "") ?? [];
  if (rest.includes("@")) throw badOption('the address must not hold a secret. Set "apiKey", or certificates in "tls".');
  if (!/^(\[[\da-fA-F:.]+\]|[^\s:/?#]+)(:\d{1,5})?$/.test(rest) || (scheme && !["temporal", "http", "https", "grpc"].includes(scheme))) {
    throw badOption(`address must be host and port, such as "127.0.0.1:7233", got ${describe(text)}.`);
  }
  return { address: /:\d+$/.test(rest) && !rest.endsWith("]") ? rest : `${rest}:7233`, secure: scheme === "https" };
}

export function checkSpec({ queue, options }: QueueSpec, orchestrator: string): TemporalQueueOptions {
  const of = `brokerOptions of "${queue}"`;
  checkQueue(queue, [orchestrator, pauseName]);
  checkNames(options, queueOptionNames, of);
  const { mode, maxTaskQueueActivitiesPerSecond: most } = options as TemporalQueueOptions;
  if (mode !== undefined) checkMode(mode, `${of}: `);
  if (most !== undefined && !(typeof most === "number" && most > 0 && most < Number.POSITIVE_INFINITY))
    throw badOption(`${of}: maxTaskQueueActivitiesPerSecond must be a number above 0, got ${describe(most)}. To stop the queue use pause().`);
  return options as TemporalQueueOptions;
}

function checkMode(mode: Mode, of: string): void {
  if (!modes.includes(mode)) throw badOption(`${of}mode must be ${modes.map((each) => `"${each}"`).join(", ")}, got ${describe(mode)}.`);
}

function checkNames(options: object, allowed: readonly string[], of: string): void {
  const unknown = Object.keys(options).find((name) => !allowed.includes(name));
  if (unknown) throw badOption(`${of} has no "${unknown}". Allowed: ${allowed.join(", ")}.`);
}

function badOption(message: string): FunboostError {
  return new FunboostError("BAD_OPTION", message, { where: "temporal" });
}
