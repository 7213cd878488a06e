/** A queue's calls over all of its lanes. Each is there where the engine has it. */
import type { BrokerQueue, Counts, Ended, MessageState, Peeked, ResultOptions } from "../contract/index.ts";
import type { LaneRow } from "./lane-row.ts";

/** Those for a whole queue. */
export function queueCalls(row: LaneRow): Partial<BrokerQueue> {
  const { count, clear, peek, setPaused, maintain } = row.main;
  const each = async <T>(call: (queue: BrokerQueue) => Promise<T> | undefined) => {
    const queues = await Promise.all(row.lanes.map(row.open));
    return (await Promise.all(queues.map(call))) as T[];
  };
  return {
    ...(count && { count: async () => sum(await each((queue) => queue.count?.()), row) }),
    ...(clear && { clear: () => withoutUnstarted(row, async () => void (await each((queue) => queue.clear?.()))) }),
    ...(peek && {
      peek: async (n: number) => (await each<readonly Peeked[]>((queue) => queue.peek?.(n))).flat().slice(0, n),
    }),
    ...(setPaused && {
      setPaused: (paused: boolean) =>
        withoutUnstarted(row, async () => void (await each((queue) => queue.setPaused?.(paused)))),
    }),
    ...(maintain && {
      maintain: async (signal: AbortSignal) => void (await each((queue) => queue.maintain?.(signal))),
    }),
  };
}

function sum(counts: readonly Counts[], { consumers }: LaneRow): Counts {
  const unstarted = Array.from(consumers).reduce((all, consumer) => all + consumer.unstarted().length, 0);
  const total = (name: keyof Counts) => counts.reduce((all, each) => all + (each[name] ?? 0), 0);
  const tellsRunning = counts.every(({ running }) => running !== undefined);
  return {
    ready: total("ready") + unstarted,
    delayed: total("delayed"),
    ...(tellsRunning ? { running: Math.max(0, total("running") - unstarted) } : {}),
  };
}

/** Those for single messages: whichever lane has it answers. */
export function messageCalls(row: LaneRow): Partial<BrokerQueue> {
  const { cancel, askToEnd, state, result } = row.main;
  const queues = () => Promise.all(row.lanes.map(row.open));
  return {
    ...(cancel && {
      cancel: (ids: readonly string[]) =>
        withoutUnstarted(row, async () =>
          (await Promise.all((await queues()).map((queue) => queue.cancel?.(ids) ?? []))).flat(),
        ),
    }),
    ...(askToEnd && {
      askToEnd: async (ids: readonly string[]) =>
        (await Promise.all((await queues()).map((queue) => queue.askToEnd?.(ids) ?? []))).flat(),
    }),
    ...(state && {
      async state(id: string): Promise<MessageState | undefined> {
        if (Array.from(row.consumers).some((consumer) => consumer.unstarted().includes(id))) return "waiting";
        return knownState(await Promise.all((await queues()).map((queue) => queue.state?.(id))));
      },
    }),
    ...editCalls(row),
    ...(result && {
      async result(id: string, options: ResultOptions) {
        const each = (await queues()).map(
          (queue) => (signal?: AbortSignal) => queue.result?.(id, { ...options, ...(signal && { signal }) }),
        );
        const { signal } = options;
        return signal
          ? firstOf(each, signal)
          : (await Promise.all(each.map((ask) => ask()))).find((end) => end !== undefined);
      },
    }),
  };
}

function editCalls(row: LaneRow): Partial<BrokerQueue> {
  const { reschedule, update } = row.main;
  const inAny = (call: (queue: BrokerQueue) => Promise<boolean> | undefined) =>
    withoutUnstarted(row, async () =>
      (await Promise.all((await Promise.all(row.lanes.map(row.open))).map(call))).includes(true),
    );
  return {
    ...(reschedule && {
      reschedule: (id: string, change: { readonly delayMs: number }) =>
        inAny((queue) => queue.reschedule?.(id, change)),
    }),
    ...(update && {
      update: (id: string, edit: Parameters<typeof update>[1]) => inAny((queue) => queue.update?.(id, edit)),
    }),
  };
}

/** One that cannot tell may have it. */
function knownState(states: readonly (MessageState | undefined)[]): MessageState | undefined {
  const known = states.find((each) => each !== undefined && each !== "unknown");
  return known ?? (states.includes(undefined) ? undefined : "unknown");
}

/** Gives back what was fetched and not started, for as long as `work` takes: it waits, for everybody above. */
async function withoutUnstarted<T>({ consumers }: LaneRow, work: () => Promise<T>): Promise<T> {
  const releases = await Promise.all(Array.from(consumers, (consumer) => consumer.hold()));
  try {
    return await work();
  } finally {
    for (const release of releases) release();
  }
}

/** One lane has the message; those that do not know it answer undefined, or wait until it comes. */
async function firstOf(
  waits: readonly ((signal: AbortSignal) => Promise<Ended | undefined> | undefined)[],
  signal: AbortSignal,
): Promise<Ended | undefined> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const answers = waits.map(async (wait) => (await wait(both)) ?? Promise.reject(undefined));
  try {
    return await Promise.any(answers).catch(({ errors }: AggregateError) => {
      const trouble = errors.find((error) => error !== undefined);
      return trouble === undefined ? undefined : Promise.reject(trouble);
    });
  } finally {
    stop.abort();
  }
}
