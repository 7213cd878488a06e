/** Waiting for conditions: a case never sleeps and hopes. */
import assert from "node:assert/strict";

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Resolves as soon as `condition` holds; fails with `what` after `ms`. */
export async function until(what: string, condition: () => unknown, ms: number): Promise<void> {
  const end = performance.now() + ms;
  for (let step = 1; ; step = Math.min(step * 2, 16)) {
    if (await condition()) return;
    assert.ok(performance.now() < end, `not within ${ms} ms: ${what}`);
    await pause(step);
  }
}

/** Watches that `condition` holds all through `ms`: for promises that something does not happen. */
export async function holds(what: string, condition: () => unknown, ms: number): Promise<void> {
  const end = performance.now() + ms;
  do {
    assert.ok(await condition(), `no longer true: ${what}`);
    await pause(20);
  } while (performance.now() < end);
  assert.ok(await condition(), `no longer true: ${what}`);
}

/** Fails with `what` when `work` takes longer than `ms`. */
export async function within<T>(what: string, work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `not within ${ms} ms: ${what}` })), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A door that the case opens: what a task waits at while the case looks around. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** The error that `work` rejects with; fails when it does not. */
export async function rejection(work: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  const outcome = await work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  assert.ok("error" in outcome, "should have been rejected, but resolved");
  return outcome.error as Error & Record<string, unknown>;
}

/** Resolves after `ms`; only for the work of a task, never to wait for a state. */
export const working = pause;
