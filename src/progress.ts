/** How far a task is: the latest value that it told, kept in the store. */
import { sleep } from "./clock.ts";
import { toError } from "./errors.ts";
import { needsStore } from "./features.ts";
import { checkJson } from "./json.ts";
import type { Runtime } from "./runtime.ts";

const defaultTtlMs = 1_800_000;

const channelOf = (runtime: Runtime, id: string) => keyOf(runtime, id);
/** Should a notice be lost. */
const lookAgainMs = 500;

/** Trouble with the store is logged and not thrown: the task's work goes on. */
export async function keepProgress(runtime: Runtime, id: string, value: unknown): Promise<void> {
  const { store, options, log, brokerName } = runtime;
  if (!store) throw needsStore(brokerName, "fct.progress()");
  checkJson(value, "progress", options.queue);
  const entry = { key: keyOf(runtime, id), value: JSON.stringify(value ?? null), ttlMs: options.rpc?.ttlMs ?? defaultTtlMs };
  const keep = store.set([entry]).then(() => store.notify(channelOf(runtime, id), ""));
  await keep.catch((error: unknown) => log.warn({ queue: options.queue, taskId: id, error: toError(error) }, "progress could not be kept"));
}

export async function readProgress(runtime: Runtime, id: string): Promise<unknown> {
  const { store, brokerName } = runtime;
  if (!store) throw needsStore(brokerName, "progress()");
  const [text] = await store.get([keyOf(runtime, id)]);
  return text === undefined ? undefined : JSON.parse(text);
}

/** Each value that is seen, from the latest on, until the task has ended; values that follow each other faster than they are read are skipped. */
export async function* followProgress(runtime: Runtime, id: string, ended: () => Promise<boolean>, signal?: AbortSignal): AsyncGenerator<unknown> {
  const { store, brokerName } = runtime;
  if (!store) throw needsStore(brokerName, "progress()");
  let wake = () => {};
  let told = false;
  const unsubscribe = await store.subscribe(channelOf(runtime, id), () => {
    told = true;
    wake();
  });
  try {
    for (let last: string | undefined; !signal?.aborted; ) {
      const over = await ended(); // before the look: what was told before the end is seen
      const [text] = await store.get([keyOf(runtime, id)]);
      if (text !== undefined && text !== last) yield JSON.parse(text);
      last = text;
      if (over) return;
      if (!told) await Promise.race([new Promise<void>((resolve) => (wake = resolve)), sleep(lookAgainMs, { signal, unref: false })]);
      told = false;
    }
    signal?.throwIfAborted();
  } finally {
    unsubscribe();
  }
}

function keyOf({ scope }: Runtime, id: string): string {
  return `progress:${encodeURIComponent(scope)}:${id}`;
}
