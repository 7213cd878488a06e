/** One queue on Agenda: a job name. */
import type { BrokerQueue, Features, QueueSpec } from "../../src/contract/index.ts";
import { type AgendaConsumer, consumeJobs } from "./consume.ts";
import { isOurs } from "./foreign.ts";
import { idOf, jobName, rowId } from "./ids.ts";
import { bodyOf, loadJobs, optionsOf, stateOf } from "./jobs.ts";
import { createPublisher, dataOf } from "./publish.ts";
import { createRescue } from "./rescue.ts";
import type { ConsumeContext } from "./session.ts";
import type { Job } from "./table.ts";

export const features: Features = {
  ids: true,
  delay: true,
  priority: false, // Agenda's is only a tie-break
  retry: true,
  ahead: false,
  pause: false,
  durable: true,
  redelivers: true,
  ordered: true,
  exactCount: true,
  broadcast: false,
  results: false,
};

export interface QueueContext extends ConsumeContext {
  /** How long the lock of a worker that is not ours is respected. */
  readonly lockLifetimeMs: number;
}

export interface AgendaQueue extends BrokerQueue {
  /** At once: what is held is redelivered when its lock ends. */
  abandon(): Promise<void>;
}

export function openQueue(context: QueueContext, spec: QueueSpec, onClose: () => void): AgendaQueue {
  const { link, notices, time } = context;
  const name = jobName(spec.queue);
  const consumers = new Set<AgendaConsumer>();
  const closeAll = async (force: boolean) => {
    onClose();
    await Promise.all([...consumers].map((consumer) => consumer.close({ force })));
  };
  return {
    features,
    keepsValues: link.table.keepsValues === true,
    lookahead: link.lookahead,
    facts: ({ native, attempt }) => ({ attemptsMade: attempt - 1, options: optionsOf(native as Job) }),
    publish: createPublisher(link, notices, time, name),
    async consume(handler, options) {
      const consumer = consumeJobs(context, name, handler, options);
      consumers.add(consumer);
      return { ...consumer, close: (how) => consumer.close(how).finally(() => consumers.delete(consumer)) };
    },
    close: () => closeAll(false),
    abandon: () => closeAll(true),
    ...administration(
      context,
      name,
      async () => void (await Promise.all([...consumers].map((consumer) => consumer.quiet()))),
    ),
    maintain: oneAtATime(createRescue(context, name, spec.leaseMs)),
  };
}

function oneAtATime(work: () => Promise<void>): () => Promise<void> {
  let working: Promise<void> | undefined;
  return () => {
    working ??= work().finally(() => (working = undefined));
    return working;
  };
}

/** `quiet`: what a fetch of ours has just taken is given back first, where nobody wants it. */
function administration({ link, notices, time }: QueueContext, name: string, quiet: () => Promise<void>) {
  const { table, call } = link;
  const now = () => new Date(time.now());
  const load = (ids: readonly string[]) => loadJobs(link, name, ids);
  /** The row of a given id, and the row that has this very id. */
  const rowsOf = (id: string) => [rowId(table, name, id), ...(table.isId(id) ? [id] : [])];
  const find = async (id: string) => (await load(rowsOf(id))).find((job) => idOf(table, job) === id);
  return {
    count: () => call(() => table.counts(name, now())),
    async clear() {
      await quiet();
      await call(() => table.removeWaiting(name));
    },
    peek: (n) =>
      call(async () =>
        n < 1
          ? []
          : (await load(await table.first(name, n, now()))).map((job) => ({ id: idOf(table, job), body: bodyOf(job) })),
      ),
    async cancel(ids) {
      await quiet();
      const removed = new Set(await call(() => table.removeWaiting(name, ids.flatMap(rowsOf))));
      return ids.filter((id) => rowsOf(id).some((row) => removed.has(row)));
    },
    state: (id) => call(async () => stateOf(await find(id), time.now())),
    ...edits({ table, call, notices, time, name, find }),
  } satisfies Partial<BrokerQueue>;
}

interface EditParts extends Pick<QueueContext["link"], "table" | "call">, Pick<QueueContext, "notices" | "time"> {
  readonly name: string;
  find(id: string): Promise<Job | undefined>;
}

function edits({ table, call, notices, time, name, find }: EditParts) {
  return {
    reschedule: (id, { delayMs }) =>
      call(async () => {
        const job = await find(id);
        const { at } = time.ticket(delayMs);
        if (!job || !(await table.reschedule(name, String(job._id), at))) return false;
        await notices.announce(name, String(job._id), at);
        return true;
      }),
    async update(id, edit) {
      const job = await call(() => find(id));
      if (!job) return false;
      const body = edit({ body: bodyOf(job), ours: isOurs(job) });
      const data = dataOf(table, body ?? job.data ?? null);
      return call(() => table.update(name, String(job._id), data));
    },
  } satisfies Partial<BrokerQueue>;
}
