/** deadLetters.redrive(): back from the dead-letter queue to the task's own. */

import { clock, sleep } from "../base/clock.ts";
import { FunboostError, isFunboostError, toError } from "../base/errors.ts";
import { readStored } from "../base/json.ts";
import { isOpen } from "../base/task-state.ts";
import type { BrokerQueue, Consumer, Delivery, Message, Settlement } from "../contract/broker.ts";
import type { NewResult } from "../contract/results.ts";
import { abortSignal, checkMembers, numberIn, whole } from "../options/checks.ts";
import type { OpenQueue } from "../setup/model.ts";
import { createRate } from "../slots/rate.ts";
import { type RedrivenMessage, redrivenMessage } from "../wire/dead-letter.ts";
import { markedMs, moved, movedKey, movedMark, moving } from "./redrive-marks.ts";

export interface RedriveOptions {
  /** At most so many. @default all that are there when it begins */
  readonly limit?: number;
  /** Evenly spaced. @default as fast as it goes */
  readonly ratePerSecond?: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

const checks = { limit: whole(1, 1_000_000_000), ratePerSecond: numberIn(0.01, 100_000), signal: abortSignal };
/** Nothing came for so long: the queue is empty. */
const quietMs = 1_000;
const mostHeld = 50;
const mostAside = 10_000;
const heldMs = 100;
const keptMs = 1_800_000;

/**
 * Each is published under its old id, and only then taken off the dead letters: whoever is killed between the two
 * leaves marks, so that the next redrive goes on. Answers how many.
 */
export async function redrive(task: OpenQueue, dead: BrokerQueue, options: RedriveOptions = {}): Promise<number> {
  checkMembers({ ...options }, checks);
  const { limit = Number.POSITIVE_INFINITY, ratePerSecond, signal } = options;
  const rate =
    ratePerSecond === undefined ? undefined : createRate([{ count: ratePerSecond, perMs: 1000, spaced: true }]);
  const { queue } = task.options;
  const state = createState(task, limit);
  const stopped = () => state.failure !== undefined || signal?.aborted === true;
  const handler = async (delivery: Delivery): Promise<Settlement> => {
    state.lastAt = clock.monotonic();
    if (state.over || state.taken >= limit || stopped()) return { outcome: "returned" };
    const redriven = redrivenMessage(delivery.id, delivery.body);
    if ((redriven.from ?? queue) !== queue) return putAside(state);
    if (state.brought.has(redriven.id)) return holdBack(state);
    state.taken++;
    for (let waitMs = rate?.take(1) ?? 0; waitMs > 0 && !stopped(); waitMs = rate?.take(1) ?? 0)
      await sleep(waitMs, { signal });
    const { job } = delivery;
    return stopped() ? { outcome: "returned" } : move(state, job === undefined ? redriven : { ...redriven, job });
  };
  const consumer = await dead.consume(handler, { signal: false, onSettled() {}, onError: () => {} });
  await untilOver(state, consumer, dead, ratePerSecond, stopped);
  signal?.throwIfAborted();
  if (state.failure) throw state.failure;
  return state.moved;
}

interface State {
  readonly task: OpenQueue;
  readonly limit: number;
  taken: number;
  moved: number;
  /** The messages that are back: who is a dead letter again meanwhile stays one, or there would be no end. */
  readonly brought: Set<string | undefined>;
  /** Gives back the letters that were met on the way and stay. */
  readonly aside: (() => void)[];
  /** It closes: what comes now goes back. */
  over: boolean;
  lastAt: number;
  failure: Error | undefined;
}

function createState(task: OpenQueue, limit: number): State {
  return {
    task,
    limit,
    taken: 0,
    moved: 0,
    brought: new Set(),
    aside: [],
    over: false,
    lastAt: clock.monotonic(),
    failure: undefined,
  };
}

/** Another task's, where several share one dead-letter queue: held until the end, for what is put back comes again. */
function putAside(state: State): Promise<Settlement> | Settlement {
  const { task, aside } = state;
  if (aside.length < mostAside) return holdBack(state);
  const text =
    `${mostAside} dead letters of other tasks are before its own: ` +
    "redrive those first, or give each task a dead-letter queue of its own.";
  state.failure ??= new FunboostError("UNSUPPORTED", text, { where: task.options.queue });
  return { outcome: "returned" };
}

function holdBack({ aside }: State): Promise<Settlement> {
  return new Promise((settle) => aside.push(() => settle({ outcome: "returned" })));
}

async function move(state: State, redriven: RedrivenMessage): Promise<Settlement> {
  try {
    for (const id of [redriven.id, newIdOf(redriven.letter)]) state.brought.add(id);
    const bring = (id: string) => void state.brought.add(id);
    if (await moveOnce(state.task, redriven, bring)) state.moved++;
    state.lastAt = clock.monotonic();
    return { outcome: "done" };
  } catch (error) {
    state.failure ??= toError(error);
    return { outcome: "returned" };
  }
}

/** False: a redrive that was killed had moved it already. */
async function moveOnce(
  task: OpenQueue,
  { letter, from: _, ...redriven }: RedrivenMessage,
  bring: (id: string) => void,
): Promise<boolean> {
  const { store, scope } = task;
  const message = redriven as Message & { readonly id: string };
  if (!store) return !(await wasMoved(task, message.id)) && publishAgain(task, message, letter, false, bring);
  if (letter === undefined) return publishAgain(task, message, undefined, false, bring);
  const key = movedKey(scope, letter);
  const [before] = await store.get([key]);
  if (before === moved) return false;
  await store.set([{ key, value: moving, ttlMs: markedMs }]);
  const isNew = await publishAgain(task, message, letter, before === moving, bring);
  await store.set([movedMark(task, letter)]);
  return isNew;
}

/**
 * Under its old id, where the engine takes it again: what it has kept of the first life may stand in the way.
 * `again`: it may be there already. `bring` is told under which other id it is back.
 */
async function publishAgain(
  task: OpenQueue,
  message: Message & { readonly id: string },
  letter: string | undefined,
  again: boolean,
  bring: (id: string) => void,
): Promise<boolean> {
  const { queue, store, scope, options } = task;
  const { id, ...anew } = message;
  if (again && isOpen(await queue.state?.(id))) return false;
  const [kept] = queue.result || !store ? [] : await store.results.get(scope, [id]);
  if (kept !== undefined) await store?.results.delete(scope, [id]); // its waiters wait for the new end
  if (await publishUnderOldId(task, message)) return true;
  if (kept !== undefined) await store?.results.put(scope, [keptAgain(id, kept, options.rpc?.ttlMs ?? keptMs)]);
  // A name of its own that stays the same: the engine takes it once.
  const newId = newIdOf(letter);
  const [published] = await queue.publish([newId === undefined ? anew : { ...anew, id: newId }]);
  if (published) bring(published.id); // engines may name a job of others in their own way
  return published?.existing !== true;
}

function keptAgain(id: string, outcome: string, ttlMs: number): NewResult {
  const { publishedAt } = readStored<{ readonly publishedAt?: number }>(outcome) ?? {};
  return { id, outcome, ttlMs, ...(publishedAt === undefined ? {} : { publishedAt }) };
}

const newIdOf = (letter: string | undefined) => letter && `redriven-${letter}`;

/** As far as the engine alone can tell: its old life is over and dead, or it is another. */
async function wasMoved({ queue }: OpenQueue, id: string): Promise<boolean> {
  const state = await queue.state?.(id);
  if (state === "waiting" || state === "delayed") return true;
  const ended = await queue.result?.(id, { facts: false });
  return ended !== undefined && ended.status !== "dead";
}

/** The dead letter may be there a moment before its message is acknowledged. */
async function publishUnderOldId({ queue }: OpenQueue, message: Message & { readonly id: string }): Promise<boolean> {
  for (let tries = 0; tries < 20; tries++) {
    const published = await queue.publish([message]).catch((error: unknown) => {
      if (isFunboostError(error) && error.code.startsWith("BAD_")) return undefined;
      throw error;
    });
    if (published?.[0] && !published[0].existing) return true;
    if (!published || (await queue.state?.(message.id)) !== "running") return false;
    await sleep(50);
  }
  return false;
}

async function untilOver(
  state: State,
  consumer: Consumer,
  dead: BrokerQueue,
  ratePerSecond: number | undefined,
  stopped: () => boolean,
): Promise<void> {
  const held = Math.max(
    1,
    Math.min(mostHeld, state.limit, ratePerSecond === undefined ? mostHeld : Math.ceil(ratePerSecond / 4)),
  );
  consumer.setWindow(held);
  let renewAt = clock.monotonic() + state.task.leaseMs / 4;
  // What a redrive held that was killed: nobody else may consume here.
  const rescue = async () => dead.maintain?.(new AbortController().signal);
  try {
    await rescue();
    while (!stopped() && state.taken < state.limit) {
      await sleep(20);
      if (clock.monotonic() > renewAt) {
        await consumer.renew?.(); // at a slow rate one is held for long
        await rescue();
        renewAt = clock.monotonic() + state.task.leaseMs / 4;
      }
      consumer.setWindow(held + state.aside.length);
      const { held: unsettled } = consumer.status();
      const idleMs = clock.monotonic() - state.lastAt;
      if (unsettled.length > state.aside.length || idleMs < quietMs) continue;
      const { ready = 0, running = 0 } = (await dead.count?.()) ?? {};
      if (ready > 0) state.lastAt = clock.monotonic();
      else if (running <= state.aside.length || idleMs > 3 * state.task.leaseMs) return;
      else await sleep(heldMs); // by a redrive that goes on, or one that was killed: then it comes back
    }
  } finally {
    state.over = true;
    consumer.setWindow(0);
    for (const giveBack of state.aside.reverse()) giveBack(); // each goes to the front
    await consumer.close();
  }
}
