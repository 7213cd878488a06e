/** The options of the Temporal adapter: types, defaults, and what is refused before anything is opened. */
import type { ConnectionOptions } from "@temporalio/client";
import { describe, FunboostError } from "../../src/base/errors.ts";
import type { Message, QueueSpec } from "../../src/contract/index.ts";
import { checkNames } from "../shared/check-names.ts";
import { takesActivity } from "./connect/client.ts";
import { checkQueue, pauseName, whyNoQueue } from "./connect/names.ts";
import type { Target } from "./connect/target.ts";
import type { Kind, Mode, TemporalQueue } from "./queue.ts";
import type { BundleOption } from "./workflow/bundle-option.ts";

export interface TemporalOptions {
  /** Host and port. @default "127.0.0.1:7233" */
  readonly address?: string | undefined;
  /** The same as `address`; "temporal://host:port" and "https://host:port" (with TLS) are understood too. */
  readonly url?: string | undefined;
  /** Must be there already. @default "default" */
  readonly namespace?: string;
  /** True, or certificates. @default off; on with `apiKey` */
  readonly tls?: ConnectionOptions["tls"];
  readonly apiKey?: string;
  /** Headers of every request. */
  readonly metadata?: Readonly<Record<string, string>>;
  /**
   * How messages travel: "activity" is faster and needs a server with standalone activities, "workflow" works on every
   * server, "auto" takes what the server has; a delayed message goes as a workflow where the server would ignore its
   * delay. @default "auto"
   */
  readonly mode?: Mode;
  /** The task queue on which workflows are carried forward; one for an app. @default "funboost.orchestrator" */
  readonly orchestrator?: string;
  /**
   * The workflow's bundle, made on another machine: for images that are read-only or bundled.
   * @default built once, kept in the user's cache folder
   */
  readonly bundle?: BundleOption;
}

/** `brokerOptions` of a task on Temporal. */
export interface TemporalQueueOptions {
  readonly mode?: Mode;
  /**
   * Temporal's own limit for this task queue, over all workers of any kind: approximate, and the last that polls
   * decides. `qps` is exact.
   */
  readonly maxTaskQueueActivitiesPerSecond?: number;
}

/** `brokerOptions` of one message. */
export interface TemporalMessageOptions {
  /** How this message travels. */
  readonly mode?: Kind;
  /** One line beside the task in Temporal's UI. */
  readonly summary?: string;
  /** Messages of equal priority take turns by this key, where the server has fairness on. */
  readonly fairnessKey?: string;
  readonly fairnessWeight?: number;
}

const modes: readonly Mode[] = ["auto", "workflow", "activity"];
const optionNames = ["address", "url", "namespace", "tls", "apiKey", "metadata", "mode", "orchestrator", "bundle"];
const messageOptionNames = ["mode", "summary", "fairnessKey", "fairnessWeight"];
const queueOptionNames = ["mode", "maxTaskQueueActivitiesPerSecond"];

export interface Checked {
  readonly target: Target;
  readonly mode: Mode;
  readonly orchestrator: string;
  readonly bundle: BundleOption | undefined;
}

export function checkOptions(options: TemporalOptions): Checked {
  if (!isObject(options)) throw badOption(`temporal() takes an object of options, got ${describe(options)}.`);
  checkNames("temporal", options, optionNames, "temporal()");
  const {
    namespace = "default",
    mode = "auto",
    orchestrator = "funboost.orchestrator",
    bundle,
    tls,
    apiKey,
    metadata,
  } = options;
  checkMode(mode, "");
  if (!isText(namespace))
    throw badOption(`namespace must be the name of one that is there, got ${describe(namespace)}.`);
  const why = isText(orchestrator) ? whyNoQueue(orchestrator, [pauseName]) : "Allowed is text";
  if (why) throw badOption(`orchestrator must be the name of a task queue, got ${describe(orchestrator)}. ${why}.`);
  if (bundle !== undefined && !isText(bundle?.codePath))
    throw badOption(`bundle must be { codePath: "file.js" }, got ${describe(bundle)}.`);
  checkAccess(options);
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

/** Never shows a value: each may be a secret. */
function checkAccess({ tls, apiKey, metadata }: Pick<TemporalOptions, "tls" | "apiKey" | "metadata">): void {
  if (tls !== undefined && tls !== null && typeof tls !== "boolean" && !isObject(tls))
    throw badOption(`tls must be true or an object of certificates, got a ${typeof tls}.`);
  if (apiKey !== undefined && !isText(apiKey))
    throw badOption(`apiKey must be text, got ${apiKey === "" ? "none" : `a ${typeof apiKey}`}.`);
  if (
    metadata !== undefined &&
    !(isObject(metadata) && Object.values(metadata).every((value) => typeof value === "string"))
  )
    throw badOption("metadata must be an object of headers whose values are text.");
}

const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function addressOf(text: unknown): { address: string; secure: boolean } {
  const [, scheme, rest = ""] = /^(?:(\w+):\/\/)?(.*?)\/?$/.exec(typeof text === "string" ? text : "") ?? [];
  if (rest.includes("@"))
    throw badOption('the address must not hold a secret. Set "apiKey", or certificates in "tls".');
  if (
    !/^(\[[\da-fA-F:.]+\]|[^\s:/?#]+)(:\d{1,5})?$/.test(rest) ||
    (scheme && !["temporal", "http", "https", "grpc"].includes(scheme))
  ) {
    throw badOption(`address must be host and port, such as "127.0.0.1:7233", got ${describe(text)}.`);
  }
  const port = Number(/:(\d+)$/.exec(rest)?.[1] ?? 7233);
  if (port < 1 || port > 65_535) throw badOption(`the port of the address must be 1 to 65535, got ${port}.`);
  return { address: /:\d+$/.test(rest) && !rest.endsWith("]") ? rest : `${rest}:7233`, secure: scheme === "https" };
}

export function checkSpec({ queue, options }: QueueSpec, orchestrator: string): TemporalQueueOptions {
  const of = `brokerOptions of "${queue}"`;
  checkQueue(queue, [orchestrator, pauseName]);
  checkNames("temporal", options, queueOptionNames, of);
  const { mode, maxTaskQueueActivitiesPerSecond: most } = options as TemporalQueueOptions;
  if (mode !== undefined) checkMode(mode, `${of}: `);
  if (most !== undefined && !(typeof most === "number" && most > 0 && most < Number.POSITIVE_INFINITY)) {
    const allowed = `maxTaskQueueActivitiesPerSecond must be a number above 0, got ${describe(most)}`;
    throw badOption(`${of}: ${allowed}. To stop the queue use pause().`);
  }
  return options as TemporalQueueOptions;
}

export function checkMessage(
  { queue, client: { server, target } }: TemporalQueue,
  { native, delayMs = 0 }: Message,
): void {
  if (!native) return;
  const of = `brokerOptions of a message of "${queue}"`;
  checkNames("temporal", native, messageOptionNames, of);
  const { mode } = native as TemporalMessageOptions;
  if (mode === undefined) return;
  if (mode !== "activity" && mode !== "workflow")
    throw badOption(`${of}: mode must be "activity" or "workflow", got ${describe(mode)}.`);
  if (mode === "workflow" || takesActivity(server, delayMs)) return;
  const lacks = server.standalone ? "ignores the delay of a standalone activity" : "has no standalone activities";
  throw badOption(`${of}: mode "activity" cannot be had, Temporal at ${target.address} ${lacks}. Leave "mode" out.`);
}

function checkMode(mode: Mode, of: string): void {
  if (!modes.includes(mode))
    throw badOption(`${of}mode must be ${modes.map((each) => `"${each}"`).join(", ")}, got ${describe(mode)}.`);
}

function badOption(message: string): FunboostError {
  return new FunboostError("BAD_OPTION", message, { where: "temporal" });
}
