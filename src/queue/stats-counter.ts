/** Adds up in the store what a queue has done, once a second, and samples what waits, once a minute. */
import { clock } from "../base/clock.ts";
import type { Store } from "../contract/store.ts";
import type { OpenQueue } from "../setup/model.ts";
import { bucketKey, bucketTtlMs, minuteMs, minuteOf, totalKey } from "./stats-buckets.ts";
import { newsOf, newTally, type Tally, tallyFields } from "./tally.ts";

/** After a break as long as this the next run is a new beginning. */
const breakMs = 90_000;

/** Called once a second, and once more at the end. Nothing is lost but what a killed process had not yet added. */
export function createStatsCounter({ store, scope, queue }: OpenQueue, tally: Tally): () => Promise<void> {
  if (!store) return async () => {};
  let added = { ...tally };
  let lookedAt = clock.now();
  let activeAt = Number.NEGATIVE_INFINITY;
  let beganAt = lookedAt;
  let minuteSeen = 0;
  return async () => {
    const now = clock.now();
    const seen = { ...tally };
    const news = newsOf(seen, added);
    if (news.ran + news.failed > 0) {
      if (now - activeAt > breakMs) beganAt = lookedAt - Math.round(news.ms / Math.max(1, news.ran));
      activeAt = now;
      beganAt = Math.min(beganAt, now); // the clock may have been set back
      // First: counts without a beginning would be a rate of the last minutes.
      await keepBeginning(store, scope, beganAt);
      await addUp(store, scope, news);
      added = seen;
    }
    lookedAt = now;
    if (minuteOf(now) === minuteSeen) return;
    minuteSeen = minuteOf(now);
    await store.increment([{ key: bucketKey(scope, minuteSeen, "consumers"), by: 1, ttlMs: 5 * minuteMs }]);
    await sample(store, scope, queue, minuteSeen);
  };
}

/** The same of each task that has a name: its minutes. Nothing of a queue without names. */
export function createJobCounters(
  { store, scope }: OpenQueue,
  members: readonly { readonly tally: Tally; readonly task: Pick<OpenQueue, "options"> }[],
): () => Promise<void> {
  const added = new Map<Tally, Tally>();
  return async () => {
    const named = members.filter(({ task }) => task.options.job !== undefined);
    for (const { tally, task } of store ? named : []) {
      const seen = { ...tally };
      const news = newsOf(seen, added.get(tally) ?? newTally());
      if (news.ran + news.failed === 0) continue;
      await store?.increment(minuteCounters(scope, news, task.options.job));
      added.set(tally, seen);
    }
  };
}

function minuteCounters(scope: string, news: Tally, job?: string) {
  const minute = minuteOf(clock.now());
  return tallyFields.map((field) => ({
    key: bucketKey(scope, minute, field, job),
    by: Math.round(news[field]),
    ttlMs: bucketTtlMs,
  }));
}

function addUp(store: Store, scope: string, news: Tally): Promise<unknown> {
  const totals = tallyFields.map((field) => ({ key: totalKey(scope, field), by: Math.round(news[field]) }));
  return store.increment([...totals, ...minuteCounters(scope, news)]);
}

/** Of what goes on without a break, in all processes: the rate's time begins there. */
async function keepBeginning(store: Store, scope: string, beganAt: number): Promise<void> {
  const key = totalKey(scope, "since");
  const [since] = await store.get([key]);
  await store.set([{ key, value: String(Math.min(beganAt, Number(since ?? beganAt))), ttlMs: breakMs }]);
}

/** By whoever is first in this minute. Counters, so that a second sample would show. */
async function sample(store: Store, scope: string, queue: OpenQueue["queue"], minute: number): Promise<void> {
  if (
    !queue.count ||
    !(await store.lease(`sample:${scope}:${minute}`, `${process.pid}-${Math.random()}`, 2 * minuteMs))
  )
    return;
  const { ready, delayed } = await queue.count();
  if (minuteOf(clock.now()) !== minute) return; // it stood still meanwhile: no sample rather than a wrong one
  await store.increment(
    Object.entries({ ready, delayed }).map(([field, by]) => ({
      key: bucketKey(scope, minute, field),
      by,
      ttlMs: bucketTtlMs,
    })),
  );
}
