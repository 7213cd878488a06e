/** Temporal's words on the wire: payloads, times, ids, enums. Written by hand, because the client's own encoding costs a third of a publish. */
import type { Connection } from "@temporalio/client";
import { describe, FunboostError } from "../../../src/base/errors.ts";
import type { JsonObject } from "../../../src/contract/index.ts";

export type Service = Connection["workflowService"];
type Start = Parameters<Service["startActivityExecution"]>[0];
export type Payloads = NonNullable<Start["input"]>;
export type Payload = NonNullable<Payloads["payloads"]>[number];
export type Failure = NonNullable<Parameters<Service["respondActivityTaskFailed"]>[0]["failure"]>;
export type Time = NonNullable<Start["heartbeatTimeout"]>;
export type PollAnswer = Awaited<ReturnType<Service["pollActivityTaskQueue"]>>;

const encodings = { json: Buffer.from("json/plain"), none: Buffer.from("binary/null") };
/** Beside a result: how its run went. Only we read it; other clients see the plain value. */
const recordKey = "funboost";
/** In the place of a result that could not be carried. */
const lostKey = "funboost.lost";

/** As Temporal's own clients write it: `undefined` has an encoding of its own. */
export function toPayload(value: unknown, record?: JsonObject): Payload {
  const metadata: Record<string, Uint8Array> = { encoding: value === undefined ? encodings.none : encodings.json };
  if (record) metadata[recordKey] = Buffer.from(JSON.stringify(record));
  return value === undefined ? { metadata } : { metadata, data: Buffer.from(JSON.stringify(value) ?? "null") };
}

export function fromPayload(payload: Payload | undefined): unknown {
  const encoding = textOf(payload?.metadata?.encoding);
  if (!payload || encoding === "binary/null") return undefined;
  if (encoding?.startsWith("json/")) return parse(payload.data);
  return payload.data; // bytes, or what only its writer can read
}

export function recordOf(payload: Payload | undefined): JsonObject | undefined {
  const bytes = payload?.metadata?.[recordKey];
  return bytes ? (parse(bytes) as JsonObject) : undefined;
}

export const lostPayload = (lost: JsonObject): Payload => toPayload({ [lostKey]: lost });

export function lostOf(value: unknown): JsonObject | undefined {
  return typeof value === "object" && value !== null
    ? ((value as JsonObject)[lostKey] as JsonObject | undefined)
    : undefined;
}

function parse(bytes: Uint8Array | null | undefined): unknown {
  try {
    return JSON.parse(textOf(bytes) ?? "null");
  } catch {
    return undefined;
  }
}

function textOf(bytes: Uint8Array | null | undefined): string | undefined {
  return bytes ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8") : undefined;
}

/** What travels beside the body. */
export interface Envelope {
  readonly leaseMs: number;
  /** Epoch milliseconds of the publisher: a workflow's activity is scheduled later than that. */
  readonly publishedAt?: number;
  readonly attempt?: number;
}

/** The second argument of our workflows and activities, marked as ours. */
export const toEnvelope = (envelope: Envelope): JsonObject => ({ funboost: envelope });

export function fromEnvelope(argument: unknown): Envelope | undefined {
  return typeof argument === "object" && argument !== null
    ? ((argument as JsonObject).funboost as Envelope | undefined)
    : undefined;
}

export function duration(ms: number): Time {
  const whole = Math.ceil(ms);
  return { seconds: Math.floor(whole / 1_000) as never, nanos: (whole % 1_000) * 1e6 };
}

export const durationMs = (time: Time | null | undefined): number => epochMs(time) ?? 0;

/** Epoch milliseconds. */
export function epochMs(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number | undefined {
  return time ? Number(time.seconds ?? 0) * 1_000 + Math.floor((time.nanos ?? 0) / 1e6) : undefined;
}

/** A run may last for weeks: its timeouts are the core's business. */
export const longest: Time = { seconds: (10 * 365 * 86_400) as never };

/** Enough for a server that stumbles; the core decides what is final. */
export const retryPolicy: NonNullable<Start["retryPolicy"]> = {
  initialInterval: duration(50),
  backoffCoefficient: 1,
  maximumInterval: duration(1_000),
  maximumAttempts: 0,
};

export const running = 1;
export const started = 2;
export const ended = { completed: 2, failed: 3, canceled: 4, terminated: 5 } as const;
export const useExisting = 2;
export const allowDuplicate = 1;
export const benign = 1;

/** The type of the workflow that says "paused", and its task queue too: nobody polls it, so it stays open. */
export const pauseName = "funboost.pause";

const longestName = 1_000;
/** Of ids that we make up ourselves. */
const ownIdLength = 36;

/** A ":" of the queue's name is escaped: "a:b" with id "c" and "a" with id "b:c" are two. */
export const prefixOf = (queue: string) => `boost:${queue.replaceAll("%", "%25").replaceAll(":", "%3A")}:`;

/** Why a name cannot be a task queue of ours; undefined where it can. */
export function whyNoQueue(queue: string, reserved: readonly string[]): string | undefined {
  const room = longestName - ownIdLength;
  if (queue === "" || Buffer.byteLength(prefixOf(queue)) > room)
    return `Allowed are 1 to ${room - prefixOf("").length} bytes, ":" and "%" counting three`;
  if (/^(\/_sys\/|__temporal)/.test(queue)) return 'Names that begin with "/_sys/" or "__temporal" are Temporal\'s own';
  if (reserved.includes(queue)) return "This name is funboost's own on this server";
  return hasLoneSurrogate(queue) ? "It is no valid text" : undefined;
}

export function checkQueue(queue: string, reserved: readonly string[]): void {
  const why = whyNoQueue(queue, reserved);
  if (why)
    throw new FunboostError("BAD_QUEUE", `Temporal cannot take the queue name ${describe(queue)}. ${why}.`, {
      where: "temporal",
    });
}

export function engineId(prefix: string, id: string): string {
  const result = prefix + id;
  if (id !== "" && Buffer.byteLength(result) <= longestName && !hasLoneSurrogate(id)) return result;
  const allowed = `Allowed is valid text of 1 to ${longestName - Buffer.byteLength(prefix)} bytes in this queue`;
  throw new FunboostError("BAD_OPTION", `Temporal cannot take the task id ${describe(id)}. ${allowed}.`, {
    where: "temporal",
  });
}

function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

/** In a visibility query. */
export const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
