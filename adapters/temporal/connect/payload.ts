/**
 * What Temporal carries for us, as it lies on the wire. Written by hand, because the client's own encoding costs a
 * third of a publish.
 */
import { bodyText, parseJson } from "../../../src/base/json.ts";
import type { JsonObject } from "../../../src/contract/index.ts";
import type { Start } from "./protocol.ts";

export type Payloads = NonNullable<Start["input"]>;
export type Payload = NonNullable<Payloads["payloads"]>[number];

const encodings = { json: Buffer.from("json/plain"), none: Buffer.from("binary/null") };
/** Beside a result: how its run went. Only we read it; other clients see the plain value. */
const recordKey = "funboost";
/** In the place of a result that could not be carried. */
const lostKey = "funboost.lost";

/** As Temporal's own clients write it: `undefined` has an encoding of its own. */
export function toPayload(value: unknown, record?: JsonObject): Payload {
  const metadata: Record<string, Uint8Array> = { encoding: value === undefined ? encodings.none : encodings.json };
  if (record) metadata[recordKey] = Buffer.from(JSON.stringify(record));
  return value === undefined ? { metadata } : { metadata, data: Buffer.from(bodyText(value)) };
}

export function fromPayload(payload: Payload | undefined): unknown {
  const encoding = textOf(payload?.metadata?.encoding);
  if (!payload || encoding === "binary/null") return undefined;
  if (encoding?.startsWith("json/")) return parse(payload.data);
  return payload.data; // bytes, or what only its writer can read
}

/** An argument; as its text where no value can be made of that: whoever reads it says why. */
export function argumentOf(payload: Payload): unknown {
  const value = fromPayload(payload);
  const isLost = value === undefined && textOf(payload.metadata?.encoding)?.startsWith("json/");
  return isLost ? textOf(payload.data) : value;
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
    return parseJson(textOf(bytes) ?? "null");
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
