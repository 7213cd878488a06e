/** How far a task is: the latest value that it told, kept in the store. */
import { toError } from "./errors.ts";
import { needsStore } from "./features.ts";
import { checkJson } from "./json.ts";
import type { Runtime } from "./runtime.ts";

const defaultTtlMs = 1_800_000;

/** Trouble with the store is logged and not thrown: the task's work goes on. */
export async function keepProgress(runtime: Runtime, id: string, value: unknown): Promise<void> {
  const { store, options, log, brokerName } = runtime;
  if (!store) throw needsStore(brokerName, "fct.progress()");
  checkJson(value, "progress", options.queue);
  const entry = { key: keyOf(runtime, id), value: JSON.stringify(value ?? null), ttlMs: options.rpc?.ttlMs ?? defaultTtlMs };
  await store.set([entry]).catch((error: unknown) => log.warn({ queue: options.queue, taskId: id, error: toError(error) }, "progress could not be kept"));
}

export async function readProgress(runtime: Runtime, id: string): Promise<unknown> {
  const { store, brokerName } = runtime;
  if (!store) throw needsStore(brokerName, "progress()");
  const [text] = await store.get([keyOf(runtime, id)]);
  return text === undefined ? undefined : JSON.parse(text);
}

function keyOf({ scope }: Runtime, id: string): string {
  return `progress:${encodeURIComponent(scope)}:${id}`;
}
