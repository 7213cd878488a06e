/** Processes that stand still, never with a lock in their hands that all others need. */
import type { Child } from "./child-process.ts";
import type { Context } from "./context.ts";
import { within } from "./until.ts";

const probeMs = 2_000;

/**
 * Stops it; lets it go again, and answers false, where it stood still in the middle of a write that keeps all others waiting.
 * SQLite has one writer: whoever stops, and does not die, with the lock in its hands keeps it, on a broker's file as on a store's.
 */
export async function stop(context: Context, child: Child): Promise<boolean> {
  const { broker, queue } = context;
  const probe = `${queue}-probe`;
  const write = async () => void (await (await broker.store?.())?.set([{ key: probe, value: "", ttlMs: 60_000 }]));
  child.signal("SIGSTOP");
  const writes = [
    context.task({ queue: probe, publishTimeout: probeMs }, () => {}).push(),
    within("the store takes a write", write(), probeMs),
  ];
  const othersCanWrite = (await Promise.allSettled(writes)).every(({ status }) => status === "fulfilled");
  if (!othersCanWrite) child.signal("SIGCONT");
  return othersCanWrite;
}

/** Pushes tasks that run for a lease until it stands still in one of them; answers that one's number and handle. */
export async function stopInRun<H extends { waitResult(options: { readonly timeout: number }): Promise<unknown> }>(
  context: Context,
  sleeper: Child,
  push: (n: number, ms: number) => Promise<H>,
): Promise<{ readonly n: number; readonly handle: H }> {
  for (let n = 0; ; n++) {
    const handle = await push(n, context.leaseMs);
    await context.until("it runs", () => startsOf(sleeper, n) === 1);
    if (await stop(context, sleeper)) return { n, handle };
    await handle.waitResult({ timeout: context.patienceMs });
  }
}

/** How often a process began the task of this number, and ended it. */
export const startsOf = (child: Child, n: number): number =>
  child.seen("start").filter(({ value }) => value === n).length;
export const endsOf = (child: Child, n: number): number => child.seen("end").filter(({ value }) => value === n).length;
