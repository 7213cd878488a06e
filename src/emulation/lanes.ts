/** Lanes: ordinary queues `<queue><suffix>` beside the main one, published to by kind and consumed as one. */
import { v7 as uuidv7 } from "uuid";
import { FunboostError } from "../base/errors.ts";
import type {
  Broker,
  BrokerQueue,
  Counts,
  Ended,
  Features,
  Message,
  MessageState,
  Peeked,
  Published,
  QueueSpec,
  ResultOptions,
} from "../contract/index.ts";
import { addAccepted } from "./accepted.ts";
import { consumeLanes, type LaneConsumer } from "./lane-window.ts";

export interface Lane {
  /** Behind the name of the main queue; empty for that one itself. */
  readonly suffix: string;
  /** Bigger goes first. */
  readonly rank: number;
  /** The feature that it stands for. */
  readonly feature?: "ahead" | "priority";
  /** The main queue takes what no other does. */
  takes(message: Message): boolean;
}

const main: Lane = { suffix: "", rank: 0, takes: () => false };

/** What was made here: lanes of two features over one broker are one row, because what is ahead goes before every priority. */
const laned = new WeakMap<Broker, { readonly base: Broker; readonly lanes: readonly Lane[] }>();

/**
 * Cannot promise: last in first out within a lane, strict order where a fetch takes longer than the lanes behind wait,
 * and that one id is known in all lanes. Each lane holds one message unstarted in each process that consumes.
 */
export function withLanes(
  broker: Broker,
  feature: "ahead" | "priority",
  added: readonly Omit<Lane, "feature">[],
): Broker {
  const { base, lanes: before } = laned.get(broker) ?? { base: broker, lanes: [main] };
  const lanes = [...before, ...added.map((lane) => ({ ...lane, feature }))].sort((one, other) => other.rank - one.rank);
  const result: Broker = {
    ...base,
    features: { ...broker.features, [feature]: true },
    open: (spec) => openLanes(base, spec, lanes),
  };
  laned.set(result, { base, lanes });
  return result;
}

interface Row {
  readonly lanes: readonly Lane[];
  readonly main: BrokerQueue;
  readonly consumers: Set<LaneConsumer>;
  open(lane: Lane): Promise<BrokerQueue>;
  opened(): Promise<BrokerQueue>[];
}

async function openLanes(base: Broker, spec: QueueSpec, lanes: readonly Lane[]): Promise<BrokerQueue> {
  const other = lanes.find(({ suffix }) => suffix !== "" && spec.queue.endsWith(suffix));
  if (other) {
    const text = `the queue name "${spec.queue}" belongs to the queue "${spec.queue.slice(0, -other.suffix.length)}", whose lane it is. Choose one that does not end in ${lanes.flatMap(({ suffix }) => suffix || []).join(", ")}.`;
    throw new FunboostError("BAD_QUEUE", text, { where: base.name });
  }
  const queues = new Map<Lane, Promise<BrokerQueue>>();
  const open = (lane: Lane) => {
    const known = queues.get(lane);
    if (known) return known;
    const opening = base.open({ ...spec, queue: spec.queue + lane.suffix });
    queues.set(lane, opening);
    opening.catch(() => queues.delete(lane)); // the server may be there next time
    return opening;
  };
  const row: Row = { lanes, main: await open(main), consumers: new Set(), open, opened: () => [...queues.values()] };
  return laneQueue(row);
}

function laneQueue(row: Row): BrokerQueue {
  const added = new Set(row.lanes.flatMap(({ feature }) => feature ?? []));
  const features: Features = {
    ...row.main.features,
    ...Object.fromEntries(Array.from(added, (feature) => [feature, true])),
  };
  return {
    ...row.main,
    ...spanning(row),
    ...byId(row),
    features,
    publish: (messages) => publish(row, added, messages),
    async consume(handler, options) {
      const lanes = await Promise.all(
        row.lanes.map(async (lane) => ({ ahead: lane.feature === "ahead", queue: await row.open(lane) })),
      );
      const consumer = await consumeLanes(lanes, handler, options);
      row.consumers.add(consumer);
      const forget = () => row.consumers.delete(consumer);
      return { ...consumer, close: (closing) => consumer.close(closing).finally(forget) };
    },
    async close() {
      await Promise.all(Array.from(row.consumers, (consumer) => consumer.close()));
      for (const queue of await Promise.all(row.opened())) await queue.close();
    },
  };
}

async function publish(
  row: Row,
  added: ReadonlySet<string>,
  messages: readonly Message[],
): Promise<readonly Published[]> {
  const groups = new Map<Lane, { readonly places: number[]; readonly messages: Message[] }>();
  messages.forEach((message, place) => {
    const lane = row.lanes.find((each) => each.takes(message)) ?? main;
    const group = groups.get(lane) ?? { places: [], messages: [] };
    groups.set(lane, group);
    group.places.push(place);
    const plain = withoutMarks(message, added);
    // An engine counts its own ids in each lane from 1: they would be those of others in the main queue.
    group.messages.push(lane === main || plain.id !== undefined ? plain : { ...plain, id: uuidv7() });
  });
  const published: Published[] = [];
  for (const [lane, group] of groups) {
    const queue = await row.open(lane);
    const answers = await queue.publish(group.messages).catch((error) =>
      Promise.reject(
        addAccepted(
          error,
          Object.values(published).map(({ id }) => id),
        ),
      ),
    );
    if (lane.rank > 0) for (const consumer of row.consumers) consumer.expect(row.lanes.indexOf(lane));
    group.places.forEach((place, i) => {
      published[place] = answers[i] as Published;
    });
  }
  return published;
}

/** What the lane says, the engine must not see. */
function withoutMarks(message: Message, added: ReadonlySet<string>): Message {
  const { ahead, priority, ...rest } = message;
  return {
    ...rest,
    ...(ahead === undefined || added.has("ahead") ? {} : { ahead }),
    ...(priority === undefined || added.has("priority") ? {} : { priority }),
  };
}

/** Gives back what was fetched and not started, for as long as `work` takes: it waits, for everybody above. */
async function still<T>({ consumers }: Row, work: () => Promise<T>): Promise<T> {
  const releases = await Promise.all(Array.from(consumers, (consumer) => consumer.hold()));
  try {
    return await work();
  } finally {
    for (const release of releases) release();
  }
}

/** The calls for a whole queue. Each is there where the engine has it. */
function spanning(row: Row): Partial<BrokerQueue> {
  const { count, clear, peek, setPaused, maintain } = row.main;
  const each = async <T>(call: (queue: BrokerQueue) => Promise<T> | undefined) => {
    const queues = await Promise.all(row.lanes.map(row.open));
    return (await Promise.all(queues.map(call))) as T[];
  };
  return {
    ...(count && { count: async () => sum(await each((queue) => queue.count?.()), row) }),
    ...(clear && { clear: () => still(row, async () => void (await each((queue) => queue.clear?.()))) }),
    ...(peek && {
      peek: async (n: number) => (await each<readonly Peeked[]>((queue) => queue.peek?.(n))).flat().slice(0, n),
    }),
    ...(setPaused && {
      setPaused: (paused: boolean) => still(row, async () => void (await each((queue) => queue.setPaused?.(paused)))),
    }),
    ...(maintain && {
      maintain: async (signal: AbortSignal) => void (await each((queue) => queue.maintain?.(signal))),
    }),
  };
}

function sum(counts: readonly Counts[], { consumers }: Row): Counts {
  const unstarted = Array.from(consumers).reduce((all, consumer) => all + consumer.waiting().length, 0);
  const total = (name: keyof Counts) => counts.reduce((all, each) => all + (each[name] ?? 0), 0);
  const known = counts.every(({ running }) => running !== undefined);
  return {
    ready: total("ready") + unstarted,
    delayed: total("delayed"),
    ...(known ? { running: Math.max(0, total("running") - unstarted) } : {}),
  };
}

/** The calls for single messages: whichever lane has it answers. */
function byId(row: Row): Partial<BrokerQueue> {
  const { cancel, askToEnd, state, reschedule, result } = row.main;
  const queues = () => Promise.all(row.lanes.map(row.open));
  return {
    ...(cancel && {
      cancel: (ids: readonly string[]) =>
        still(row, async () => (await Promise.all((await queues()).map((queue) => queue.cancel?.(ids) ?? []))).flat()),
    }),
    ...(askToEnd && {
      askToEnd: async (ids: readonly string[]) =>
        (await Promise.all((await queues()).map((queue) => queue.askToEnd?.(ids) ?? []))).flat(),
    }),
    ...(state && {
      async state(id: string): Promise<MessageState> {
        if (Array.from(row.consumers).some((consumer) => consumer.waiting().includes(id))) return "waiting";
        const states = await Promise.all((await queues()).map((queue) => queue.state?.(id)));
        return states.find((each) => each !== undefined && each !== "unknown") ?? "unknown";
      },
    }),
    ...(reschedule && {
      reschedule: (id: string, change: { readonly delayMs: number }) =>
        still(row, async () =>
          (await Promise.all((await queues()).map((queue) => queue.reschedule?.(id, change)))).includes(true),
        ),
    }),
    ...(result && {
      async result(id: string, options: ResultOptions) {
        const each = (await queues()).map(
          (queue) => (signal?: AbortSignal) => queue.result?.(id, { ...options, ...(signal && { signal }) }),
        );
        const { signal } = options;
        return signal
          ? firstOf(each, signal)
          : (await Promise.all(each.map((ask) => ask()))).find((ended) => ended !== undefined);
      },
    }),
  };
}

/** One lane has the message; those that do not know it answer undefined, or wait until it comes. */
async function firstOf(
  waits: readonly ((signal: AbortSignal) => Promise<Ended | undefined> | undefined)[],
  signal: AbortSignal,
): Promise<Ended | undefined> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const known = waits.map(async (wait) => (await wait(both)) ?? Promise.reject(undefined));
  try {
    return await Promise.any(known).catch(({ errors }: AggregateError) => {
      const trouble = errors.find((error) => error !== undefined);
      return trouble === undefined ? undefined : Promise.reject(trouble);
    });
  } finally {
    stop.abort();
  }
}
