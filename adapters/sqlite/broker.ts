/** SQLite: queues in one file, for all processes of one machine; durable, no server. */
import { describe, FunboostError, toError } from "../../src/base/errors.ts";
import type {
  Broker,
  BrokerQueue,
  Consumer,
  Features,
  Message,
  Published,
  QueueSpec,
  Store,
} from "../../src/contract/index.ts";
import { orderedId } from "../shared/ordered-id.ts";
import { publishError } from "../shared/publish-error.ts";
import { rescueTime } from "../shared/rescue-time.ts";
import { type ConsumerContext, createConsumer } from "./consumer.ts";
import { loadDriver } from "./driver.ts";
import { openFile, type SqliteFile } from "./file.ts";
import { checkOptions, chosenFile, defaultFile, type SqliteOptions } from "./options.ts";
import { createQueueOperations, type QueueOperations, queueNumber } from "./queue-operations.ts";
import { batches } from "./rows.ts";
import { part } from "./sql.ts";
import { sqliteStore } from "./store.ts";
import { batchSize, chunks } from "./writer.ts";

export type { SqliteOptions };
export { defaultFile };

/** No option, and no index: what a spread brings as options of any broker fits. */
type NoOptions = { readonly "~none"?: never };

declare module "../../src/contract/brokers.ts" {
  interface Brokers {
    sqlite: { options: SqliteOptions; brokerOptions: NoOptions };
  }
}

const features: Features = {
  ids: true,
  delay: true,
  priority: true,
  retry: true,
  ahead: true,
  pause: true,
  durable: true,
  redelivers: true,
  ordered: true,
  exactCount: true,
  broadcast: false,
  results: false,
};

/**
 * The default broker: a local file that every process of this machine may share.
 *
 * @example
 * const add = boost({ queue: "add", broker: sqlite({ file: "./work/queue.db" }) }, (a: number, b: number) => a + b);
 */
export function sqlite(options: SqliteOptions = {}): Broker<NoOptions> {
  checkOptions(options);
  const state: BrokerState = { queues: new Set(), file: undefined, store: undefined };
  return {
    name: "sqlite",
    features,
    address: () => chosenFile(options),
    async open(spec) {
      checkSpec(spec);
      state.file ??= open(options);
      const file = await state.file.catch((error) => {
        state.file = undefined; // the next call tries again
        throw error;
      });
      const number = await file.write(() => queueNumber(file, spec.queue));
      const queue = openQueue(file, number, spec);
      state.queues.add(queue);
      return queue;
    },
    async store() {
      state.store ??= sqliteStore({ ...options, file: chosenFile(options) });
      return state.store;
    },
    close: () => close(state),
  };
}

interface BrokerState {
  readonly queues: Set<SqliteQueue>;
  file: Promise<SqliteFile> | undefined;
  store: Store | undefined;
}

async function open(options: SqliteOptions): Promise<SqliteFile> {
  return openFile(await loadDriver(), chosenFile(options), options.synchronous ?? "normal", part);
}

/** At once: what is held is redelivered when its lease ends. */
async function close(state: BrokerState): Promise<void> {
  const { file, store } = state;
  state.file = undefined;
  state.store = undefined;
  await Promise.all([...state.queues].map((queue) => queue.abandon()));
  state.queues.clear();
  await store?.close();
  await (await file?.catch(() => undefined))?.release();
}

function checkSpec({ queue, options }: QueueSpec): void {
  const name = `a queue name has 1 to 200 characters, got ${queue.length}: ${describe(queue)}.`;
  if (queue.length < 1 || queue.length > 200) throw new FunboostError("BAD_QUEUE", name, { where: "sqlite" });
  const [unknown] = Object.keys(options);
  const text = `has no brokerOptions, got ${describe(unknown)}. The file is chosen with sqlite({ file }).`;
  if (unknown !== undefined) throw new FunboostError("BAD_OPTION", text, { where: "sqlite" });
}

interface SqliteQueue extends BrokerQueue {
  abandon(): Promise<void>;
}

function openQueue(file: SqliteFile, number: number, spec: QueueSpec): SqliteQueue {
  const ops = createQueueOperations(file, number);
  const topic = `queue ${number}`;
  const consumers = new Set<Consumer>();
  let closed = false;
  const changed = () => file.announce(topic);
  const refuseClosed = () => {
    if (closed)
      throw new FunboostError("SHUT_DOWN", `the queue ${describe(spec.queue)} was closed here: open it again.`, {
        where: "sqlite",
      });
  };
  const closeAll = async (force: boolean) => {
    closed = true;
    await Promise.all([...consumers].map((consumer) => consumer.close({ force })));
  };
  return {
    features,
    lookahead: batchSize,
    async publish(messages) {
      refuseClosed();
      return publish(file, ops, messages, changed);
    },
    async consume(handler, options) {
      refuseClosed();
      const consumer = createConsumer({ file, ops, topic, leaseMs: spec.leaseMs }, handler, options, () =>
        consumers.delete(consumer),
      );
      consumers.add(consumer);
      return consumer;
    },
    close: () => closeAll(false),
    abandon: () => closeAll(true),
    ...createControls({ file, ops, leaseMs: spec.leaseMs }, changed, refuseClosed),
  };
}

function createControls(
  { file, ops, leaseMs }: Omit<ConsumerContext, "topic">,
  changed: () => void,
  refuseClosed: () => void,
) {
  const write = async <T>(work: () => T, weight?: number) => {
    refuseClosed();
    return file.write(work, weight);
  };
  const read = async <T>(work: () => T) => {
    refuseClosed();
    return file.read(work);
  };
  return {
    count: () => read(ops.counts),
    peek: (n) => write(() => ops.peek(n), n),
    paused: () => read(ops.isPaused),
    state: (id) => read(() => ops.state(id)),
    async setPaused(paused) {
      await write(() => ops.setPaused(paused));
      changed();
    },
    async clear() {
      const top = await read(ops.top);
      while ((await write(() => ops.clear(top, batchSize), 2 * batchSize)) > 0);
    },
    async cancel(ids) {
      const removed: string[] = [];
      for (const some of chunks(ids)) removed.push(...(await write(() => ops.cancel(some), some.length)));
      return removed;
    },
    async reschedule(id, { delayMs }) {
      const found = await write(() => ops.reschedule(id, delayMs));
      changed();
      return found;
    },
    update: (id, edit) => write(() => ops.update(id, edit)),
    async maintain() {
      if (await write(() => ops.rescue(rescueTime(leaseMs)))) changed();
    },
  } satisfies Partial<BrokerQueue>;
}

async function publish(
  file: SqliteFile,
  ops: QueueOperations,
  messages: readonly Message[],
  changed: () => void,
): Promise<readonly Published[]> {
  const published: Published[] = [];
  for (const rows of batches(messages, ({ id }) => id ?? orderedId())) {
    try {
      const fresh = await file.write(() => ops.insert(rows), rows.length);
      for (const [index, [id]] of rows.entries()) published.push(fresh[index] ? { id } : { id, existing: true });
    } catch (cause) {
      const accepted = published.map(({ id }) => id);
      throw publishError("sqlite", toError(cause), accepted, messages.length);
    }
    changed();
  }
  return published;
}
