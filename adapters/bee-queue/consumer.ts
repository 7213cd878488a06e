/**
 * The consuming half of the Bee-Queue adapter. Bee-Queue's process() takes one job in four round trips, and its concurrency can be neither raised
 * nor lowered; so jobs are taken and ended in batches on its own keys, in its own words, beside its own workers. An idle consumer waits
 * as they do, with BRPOPLPUSH; stalled jobs are looked for by Bee-Queue's own check.
 */
import { randomBytes } from "node:crypto";
import { clock, repeat, sleep, withJitter } from "../../src/base/clock.ts";
import type { ConsumeOptions, Consumer, Handler } from "../../src/contract/index.ts";
import { type PollConsumer, type PollSource, poll, type Settled } from "../shared/poll.ts";
import { inNeutralContext } from "../shared/redis-client.ts";
import { command, hangUp, type NodeRedis } from "./client.ts";
import { type BeeDelivery, type Ending, endingOf, type OpenQueue, toDelivery, withScripts } from "./jobs.ts";
import { scripts } from "./scripts.ts";

const batchSize = 500;
/** Of one blocking wait. */
const waitSeconds = 5;
/** Bee-Queue's own workers look for stalled jobs every 5 s unless told otherwise. */
const renewMs = 2_000;
/** After a wait that failed. */
const retryMs = 500;

interface State {
  readonly queue: OpenQueue;
  readonly report: (error: unknown) => void;
  /** Token of each job that is held, by id. */
  readonly held: Map<string, string>;
  /** Brought by a wait, and not asked for yet; when, on the monotonic clock. */
  readonly brought: { readonly id: string; readonly at: number }[];
  /** Of an exchange whose answer did not come: what it took is asked for again under the same token. */
  lost: string;
  window: number;
  closed: boolean;
}

/** Consumes one queue. Nothing is fetched until `setWindow`. */
export async function consumeJobs(queue: OpenQueue, handler: Handler, options: ConsumeOptions): Promise<Consumer> {
  const { clients, base } = queue;
  const onError = (error: unknown) => options.onError(clients.explain(error));
  const state: State = {
    queue,
    report: (error) => void (state.closed || onError(error)),
    held: new Map(),
    brought: [],
    lost: "",
    window: 0,
    closed: false,
  };
  const waiter = makeWaiter(queue, await clients.another(), state.report);
  const source: PollSource<BeeDelivery> = {
    exchange: makeExchange(state, waiter),
    batchSize,
    idleMs: waitSeconds * 1_000,
  };
  const consumer = poll(source, handler, { ...options, onError });
  waiter.onEnd = (id) => {
    if (id !== undefined) state.brought.push({ id, at: clock.monotonic() });
    giveBack(state);
    consumer.wake();
  };
  const stopHearing = await clients
    .hear(`${base}earlierDelayed`, consumer.wake)
    .catch((error: unknown) => waiter.close().then(() => Promise.reject(error)));
  const stopTimers = inNeutralContext(() => keepAlive(state, consumer));
  return {
    setWindow(n) {
      if (state.closed) return;
      state.window = n;
      inNeutralContext(() => consumer.setWindow(n));
      giveBack(state);
      if (n === 0) void waiter.stop();
    },
    status: consumer.status,
    close: closer(state, consumer, waiter, () => {
      stopHearing();
      return stopTimers();
    }),
  };
}

type Answer = readonly [late: readonly number[], taken: readonly (string | number)[], next: string, more: number];

function makeExchange(state: State, waiter: Waiter): PollSource<BeeDelivery>["exchange"] {
  const { queue } = state;
  const { endings, clients, base } = queue;
  const own = randomBytes(6).toString("hex");
  // Made once: a settlement may be sent again.
  const made = new WeakMap<Settled<BeeDelivery>, Ending>();
  let count = 0;
  const ending = (each: Settled<BeeDelivery>): readonly (string | number)[] => {
    const known = made.get(each) ?? endingOf(each.delivery, each.settlement, endings);
    made.set(each, known);
    return [each.delivery.id, each.delivery.token, ...known];
  };
  return async (settled, take) => {
    // What the wait may bring has its place; what was lost has it already.
    const free = take > 0 && waiter.waiting && state.lost === "" ? take - 1 : take;
    const brought = free > 0 ? state.brought.splice(0) : []; // from now on nobody gives it back
    const token = state.lost || `${own}${++count}`;
    const ids = freshOf(brought, queue);
    const facts = [
      Math.floor(clock.now()),
      token,
      take > 0 ? free : -1,
      state.lost,
      endings.keepFailed,
      settled.length,
      ids.length,
    ];
    if (free > 0) state.lost = token;
    const sent = clients.run(scripts.exchange, base, [...facts, ...settled.flatMap(ending), ...ids]) as Promise<Answer>;
    const [late, taken, next, more] = await sent.catch((error: unknown) => {
      state.brought.unshift(...brought);
      throw error;
    });
    if (free > 0) state.lost = "";
    const stale = forget(state, settled, late);
    const deliveries = hold(state, taken, token);
    giveBack(state);
    const empty = more === 0 && deliveries.length < free;
    if (empty && state.window > 0) waiter.start();
    // Asked once more when the window opens again, where nobody waits.
    return {
      stale,
      deliveries,
      more: more === 1 || (empty && state.window === 0),
      nextDueMs: next === "" ? undefined : Number(next) - clock.now(),
    };
  };
}

/** Answers for each whether it came too late. */
function forget({ held }: State, settled: readonly Settled<BeeDelivery>[], late: Answer[0]): boolean[] {
  const stale = new Array<boolean>(settled.length).fill(false);
  for (const n of late) stale[n - 1] = true;
  for (const { delivery } of settled) if (held.get(delivery.id) === delivery.token) held.delete(delivery.id);
  return stale;
}

function hold({ held, queue }: State, taken: Answer[1], token: string): BeeDelivery[] {
  const deliveries: BeeDelivery[] = [];
  for (let i = 0; i < taken.length; i += 3) {
    const id = taken[i] as string;
    held.set(id, token);
    deliveries.push(toDelivery(queue.bee, id, taken[i + 1] as string, Number(taken[i + 2]), token));
  }
  return deliveries;
}

/** What lay here for too long may have been given to others. */
function freshOf(brought: State["brought"], { stallMs }: OpenQueue): string[] {
  return brought.flatMap(({ id, at }) => (clock.monotonic() - at < stallMs / 2 ? [id] : []));
}

/** What a wait brought and there is no place for. Where that fails, it stalls and comes again. */
function giveBack(state: State): void {
  if (state.brought.length === 0 || (!state.closed && state.window > state.held.size)) return;
  const { clients, base } = state.queue;
  for (const id of freshOf(state.brought.splice(0), state.queue))
    clients.run(scripts.giveBack, base, [id, state.lost]).catch(state.report);
}

interface Waiter {
  readonly waiting: boolean;
  /** With the id of a job that is in `active` now, or without. */
  onEnd: (id?: string) => void;
  start(): void;
  /** Resolves when the wait that is under way has ended. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

/** Waits for one job as Bee-Queue's own workers do. */
function makeWaiter({ clients, base }: OpenQueue, client: NodeRedis, report: (error: unknown) => void): Waiter {
  let running: Promise<void> | undefined;
  let connection: number | undefined;
  let closed = false;
  async function wait(): Promise<void> {
    connection = undefined;
    const id = await blocked(client, base, (own) => (connection = own)).catch(async (error: unknown) => {
      report(error);
      if (!closed) await sleep(withJitter(retryMs), { unref: true });
      return undefined;
    });
    running = undefined;
    waiter.onEnd(id);
  }
  const unblock = async () =>
    connection !== undefined && command(await clients.commands(), "client", ["unblock", connection]);
  async function stop(): Promise<void> {
    const mine = running;
    for (let tries = 0; mine && running === mine; tries++) {
      if (tries === 50) client.stream.destroy(); // the server does not answer
      unblock().catch(() => {});
      await Promise.race([mine, sleep(20, { unref: true })]);
    }
  }
  const waiter: Waiter = {
    get waiting() {
      return running !== undefined;
    },
    onEnd: () => {},
    start() {
      if (!closed) running ??= inNeutralContext(wait);
    },
    stop,
    async close() {
      closed = true;
      await stop();
      await hangUp(client);
    },
  };
  return waiter;
}

/** The id of a job that is now in `active`, or undefined after some seconds. A connection that says nothing for longer is cut. */
async function blocked(
  client: NodeRedis,
  base: string,
  onConnection: (id: number) => void,
): Promise<string | undefined> {
  const { stream } = client;
  const cancel = clock.after(2 * waitSeconds * 1_000, () => stream.destroy(), { unref: true });
  try {
    command(client, "client", ["id"]).then(
      (id) => onConnection(id as number),
      () => {},
    ); // its answer is here before the wait has begun
    return (
      ((await command(client, "brpoplpush", [`${base}waiting`, `${base}active`, waitSeconds])) as string | null) ??
      undefined
    );
  } finally {
    cancel();
  }
}

/** Says what is alive, and looks for what is not. */
function keepAlive({ queue, held, report }: State, consumer: PollConsumer<BeeDelivery>): () => Promise<unknown> {
  const { clients, base, stallMs, bee } = queue;
  async function renewSome(some: readonly (readonly [id: string, token: string])[]): Promise<void> {
    const lost = (await clients.run(scripts.renew, base, [
      ...some.map(([id]) => id),
      ...some.map(([, token]) => token),
    ])) as number[];
    const gone = new Set(lost.map((n) => some[n - 1]?.join()));
    if (gone.size > 0) consumer.lost(({ id, token }) => gone.has([id, token].join()));
  }
  async function renew(): Promise<void> {
    const all = [...held];
    for (let i = 0; i < all.length; i += batchSize) await renewSome(all.slice(i, i + batchSize));
  }
  async function check(): Promise<void> {
    await withScripts(queue, () => bee.checkStalledJobs());
    await clients.run(scripts.sweep, base, []); // those of others too find what is stalled
  }
  const started = check().catch(report);
  const stops = [repeat(Math.min(stallMs / 4, renewMs), renew, report), repeat(stallMs / 4, check, report)];
  return () => Promise.all([started, ...stops.map((stop) => stop())]);
}

function closer(
  state: State,
  consumer: PollConsumer<BeeDelivery>,
  waiter: Waiter,
  stop: () => Promise<unknown>,
): Consumer["close"] {
  let closing: Promise<void> | undefined;
  async function end(drained: Promise<void>): Promise<void> {
    await Promise.all([drained, waiter.close()]);
    await stop();
  }
  return (options) => {
    state.closed = true;
    state.window = 0;
    giveBack(state);
    const drained = consumer.close(options);
    return (closing ??= end(drained));
  };
}
