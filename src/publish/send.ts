/** Messages to their queue: within a deadline, as an event, and with what is known to be accepted when it fails. */
import { deadline } from "../base/deadline.ts";
import { acceptedOf, isFunboostError, PublishError, toError } from "../base/errors.ts";
import { inSpan, isWatched, points, publishing, tell } from "../base/events.ts";
import type { Message, Published } from "../contract/broker.ts";
import type { KeyedQueue } from "../filter/on-publish.ts";
import type { OpenQueue } from "../setup/model.ts";
import { publishNew } from "./known.ts";

export interface SendingQueue extends KeyedQueue {
  /** Of the server, for the error. */
  readonly address: string | undefined;
}

/** `before`: what the same publish has sent already. */
export async function send(
  task: SendingQueue,
  messages: readonly Message[],
  before: readonly { readonly id: string }[] = [],
): Promise<readonly Published[]> {
  const { options, brokerName } = task;
  const what = `publishing to queue "${options.queue}"`;
  const publish = () => deadline(publishNew(task, messages), options.publishTimeoutMs, what, brokerName, task.address);
  const fields = () => ({ queue: options.queue, broker: brokerName, count: messages.length });
  try {
    const published = await (isWatched(publishing)
      ? inSpan(publishing, fields(), publish, (all) => ({ ids: all.map(({ id }) => id) }))
      : publish());
    if (points.duplicate.hasSubscribers) tellDuplicates(task, published);
    return published;
  } catch (error) {
    const cause = toError(error);
    const isRefused = before.length === 0 && isFunboostError(cause) && cause.code.startsWith("BAD_");
    if (isRefused) throw cause; // before anything was sent
    throw publishError(task, cause, [...before.map(({ id }) => id), ...acceptedOf(cause)], messages.length);
  }
}

function tellDuplicates({ options, brokerName }: OpenQueue, published: readonly Published[]): void {
  for (const { id, existing } of published)
    if (existing) tell(points.duplicate, () => ({ queue: options.queue, broker: brokerName, taskId: id }));
}

/** `unsure`: how many messages were not confirmed. */
export function publishError(
  { options, brokerName }: OpenQueue,
  cause: Error,
  accepted: readonly string[],
  unsure: number,
): PublishError {
  const ids = accepted.length <= 20 ? accepted.join(", ") : `${accepted.length} ids, see error.accepted`;
  const known = accepted.length === 0 ? "None is known to be accepted" : `Accepted: ${ids}`;
  const count = `${unsure} ${unsure === 1 ? "message was" : "messages were"} not confirmed`;
  const text = `queue "${options.queue}": ${count}. ${known}. ${cause.message}`;
  return new PublishError(text, accepted, { cause, where: brokerName });
}
