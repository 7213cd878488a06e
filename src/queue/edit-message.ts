/** handle.update() and handle.reschedule(): a message that waits or is delayed is changed where it is. */
import { clock } from "../base/clock.ts";
import { type Duration, durationMs, isTimeMs } from "../base/duration.ts";
import { describe, FunboostError } from "../base/errors.ts";
import { asBody } from "../base/json.ts";
import type { BrokerQueue, Stored } from "../contract/broker.ts";
import { checkMembers, duration, refuseOption } from "../options/checks.ts";
import { checkInput } from "../options/compose.ts";
import type { Definition, OpenQueue } from "../setup/model.ts";
import { foreignBody, withArgs, withDueTime } from "../wire/edit.ts";

/** What `handle.reschedule()` takes. */
export interface RescheduleOptions {
  /** From now on. 0: at once. */
  readonly delay: Duration;
}

/** Other arguments; false: it runs, is over, or is not known. */
export async function updateMessage(
  task: OpenQueue,
  { signature }: Definition,
  id: string,
  args: readonly unknown[],
): Promise<boolean> {
  const { options, queue } = task;
  if (!Array.isArray(args)) {
    const text = `update() takes the arguments as a list, as in update([1, 2]); got ${describe(args)}.`;
    throw new FunboostError("BAD_ARGS", text, { where: options.queue });
  }
  if (options.input) await checkInput(options.input, args, signature, options);
  const edit = ({ body, ours }: Stored) =>
    options.adopt && !ours
      ? foreignBody(signature, args, options.queue)
      : withArgs(body, signature, args, options.queue);
  return callOf(task, "update")(id, asBodies(queue, edit));
}

/** Another time; false as above. */
export async function rescheduleMessage(task: OpenQueue, id: string, change: RescheduleOptions): Promise<boolean> {
  checkMembers({ ...change }, { delay: duration });
  if (change?.delay === undefined)
    refuseOption("delay", undefined, 'a duration such as "5m", from now on; 0 is at once');
  const delayMs = durationMs(change.delay, "delay");
  const dueMs = clock.now() + delayMs;
  if (!isTimeMs(dueMs)) refuseOption("delay", change.delay, "a time that ends before the year 10000");
  const { options, queue } = task;
  const reschedule = callOf(task, "reschedule");
  const mayBeOurs = !options.adopt && !options.convert;
  // First what expiry counts from: whoever takes it between the two does not find it expired.
  const edit = ({ body, ours }: Stored) => (options.adopt && !ours ? undefined : withDueTime(body, dueMs, mayBeOurs));
  await queue.update?.(id, asBodies(queue, edit));
  return reschedule(id, { delayMs });
}

type Edit = Parameters<NonNullable<BrokerQueue["update"]>>[1];

function asBodies({ keepsValues }: BrokerQueue, edit: (stored: Stored) => unknown): Edit {
  return (stored) => {
    const body = edit(stored);
    return body === undefined || keepsValues ? (body as ReturnType<Edit>) : asBody(body);
  };
}

function callOf<Name extends "update" | "reschedule">(
  { queue, brokerName }: OpenQueue,
  name: Name,
): NonNullable<BrokerQueue[Name]> {
  const call = queue[name];
  if (call) return call as NonNullable<BrokerQueue[Name]>;
  const advice = "cancel() it, and publish it again under another id.";
  const text = `cannot change what is published, so there is no handle.${name}(). Instead: ${advice}`;
  throw new FunboostError("UNSUPPORTED", text, { where: brokerName });
}
