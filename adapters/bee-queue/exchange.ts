/** One round trip of a Bee-Queue consumer, and what is kept in mind between two of them. */
import { randomBytes } from "node:crypto";
import { clock } from "../../src/base/clock.ts";
import type { PollSource, SettledDelivery } from "../shared/poll.ts";
import { type BeeDelivery, toDelivery } from "./delivery.ts";
import { type Ending, endingOf } from "./endings.ts";
import type { OpenQueue } from "./open-queue.ts";
import { scripts } from "./scripts.ts";
import type { Waiter } from "./waiter.ts";

export interface ConsumerState {
  readonly queue: OpenQueue;
  readonly report: (error: unknown) => void;
  /** Of each job that is held, by its id: the token of the exchange that brought it. */
  readonly tokens: Map<string, string>;
  /** Jobs that a wait brought, and nobody has asked for yet; when, on the monotonic clock. */
  readonly arrivals: { readonly id: string; readonly at: number }[];
  /** Of an exchange whose answer did not come: what it took is asked for again under the same token. */
  lostToken: string;
  window: number;
  closed: boolean;
}

type Answer = readonly [late: readonly number[], taken: readonly (string | number)[], next: string, more: number];

export function createExchange(state: ConsumerState, waiter: Waiter): PollSource<BeeDelivery>["exchange"] {
  const own = randomBytes(6).toString("hex");
  const argumentsOf = createArguments(state.queue);
  let count = 0;
  return async (settlements, take) => {
    const { lostToken } = state;
    // What the wait may bring has its place; what was lost has it already.
    const free = take > 0 && waiter.isWaiting() && lostToken === "" ? take - 1 : take;
    const arrivals = free > 0 ? state.arrivals.splice(0) : []; // from now on nobody gives it back
    const token = lostToken || `${own}${++count}`;
    if (free > 0) state.lostToken = token;
    const asked = { token, lostToken, take: take > 0 ? free : -1, ids: freshOf(arrivals, state.queue) };
    const [late, taken, next, more] = await send(state.queue, asked, settlements.map(argumentsOf)).catch(
      (error: unknown) => {
        state.arrivals.unshift(...arrivals);
        throw error;
      },
    );
    if (free > 0) state.lostToken = "";
    const stale = forget(state, settlements, late);
    const deliveries = deliver(state, taken, token);
    giveBack(state);
    const empty = more === 0 && deliveries.length < free;
    if (empty && state.window > 0) waiter.start();
    return {
      stale,
      deliveries,
      // Asked once more when the window opens again, where nobody waits.
      more: more === 1 || (empty && state.window === 0),
      nextDueMs: next === "" ? undefined : Number(next) - clock.now(),
    };
  };
}

/** What the script is told of each ending. Made once: a settlement may be sent again. */
function createArguments({ endings }: OpenQueue) {
  const made = new WeakMap<SettledDelivery<BeeDelivery>, Ending>();
  return (each: SettledDelivery<BeeDelivery>): readonly (string | number)[] => {
    const known = made.get(each) ?? endingOf(each.delivery, each.settlement, endings);
    made.set(each, known);
    return [each.delivery.id, each.delivery.token, ...known];
  };
}

interface Asked {
  readonly token: string;
  readonly lostToken: string;
  /** -1: nothing is wanted. */
  readonly take: number;
  /** Of jobs that a wait brought. */
  readonly ids: readonly string[];
}

function send(
  { clients, base, endings }: OpenQueue,
  { token, lostToken, take, ids }: Asked,
  ends: readonly (readonly (string | number)[])[],
): Promise<Answer> {
  const facts = [Math.floor(clock.now()), token, take, lostToken, endings.keepFailed, ends.length, ids.length];
  return clients.run(scripts.exchange, base, [...facts, ...ends.flat(), ...ids]) as Promise<Answer>;
}

/** Answers for each whether it came too late. */
function forget(
  { tokens }: ConsumerState,
  settlements: readonly SettledDelivery<BeeDelivery>[],
  late: Answer[0],
): boolean[] {
  const stale = new Array<boolean>(settlements.length).fill(false);
  for (const n of late) stale[n - 1] = true;
  for (const { delivery } of settlements) if (tokens.get(delivery.id) === delivery.token) tokens.delete(delivery.id);
  return stale;
}

function deliver({ tokens, queue }: ConsumerState, taken: Answer[1], token: string): BeeDelivery[] {
  const deliveries: BeeDelivery[] = [];
  for (let i = 0; i < taken.length; i += 3) {
    const id = taken[i] as string;
    tokens.set(id, token);
    deliveries.push(toDelivery(queue.bee, id, taken[i + 1] as string, Number(taken[i + 2]), token));
  }
  return deliveries;
}

/** What lay here for too long may have been given to others. */
function freshOf(arrivals: ConsumerState["arrivals"], { stallMs }: OpenQueue): string[] {
  return arrivals.flatMap(({ id, at }) => (clock.monotonic() - at < stallMs / 2 ? [id] : []));
}

/** What a wait brought and there is no place for. Where that fails, it stalls and comes again. */
export function giveBack(state: ConsumerState): void {
  if (state.arrivals.length === 0 || (!state.closed && state.window > state.tokens.size)) return;
  const { clients, base } = state.queue;
  for (const id of freshOf(state.arrivals.splice(0), state.queue))
    clients.run(scripts.giveBack, base, [id, state.lostToken]).catch(state.report);
}
