/**
 * Collapses firings of one timer: a process that slept between lease and publish publishes what another has published
 * meanwhile, and maybe run. Each copy says which timer it is of and which firing; the first that is to run claims the
 * timer, and the others end as done.
 */
import { randomUUID } from "node:crypto";
import { parseJson, stringifyJson } from "../base/json.ts";
import type { Message, Store } from "../contract/index.ts";
import { readExtra, stampExtra } from "../wire/stamp.ts";

/** For copies that wait behind a backlog. */
const claimMs = 86_400_000;

/** What the store keeps of a message until it is due. */
export function timerPayload(message: Message): string {
  return stringifyJson({ ...message, timer: randomUUID() });
}

/**
 * The message, marked as one firing. What an older version has stored has no mark; what others have written there is
 * published as the text that it is, and becomes a bad message with its id.
 */
export function fire(id: string, payload: string): Message {
  const { timer, ...message } = readPayload(payload) ?? { id, body: payload, timer: undefined };
  return timer === undefined
    ? message
    : { ...message, body: stampExtra(message.body, { fired: `${timer} ${randomUUID()}` }) };
}

function readPayload(payload: string): (Message & { readonly timer?: string }) | undefined {
  try {
    const read = parseJson(payload) as Message | null;
    return typeof read === "object" && read !== null && Object.hasOwn(read, "body") ? read : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined for what no timer has published; costs what text needs to be searched. */
export function firingOf(body: unknown): string | undefined {
  return typeof body === "string" && !body.includes('"fired"') ? undefined : readExtra(body)?.fired;
}

/** True for one firing of a timer, each time that it is delivered. */
export async function claimFiring(store: Store, firing: string): Promise<boolean> {
  const [timer, copy = ""] = firing.split(" ");
  const key = `fired:${timer}`;
  const [first] = await store.set([{ key, value: copy, ttlMs: claimMs, if: "absent" }]);
  return first === true || (await store.get([key]))[0] === copy;
}
