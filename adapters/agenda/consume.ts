/** The consuming half of the Agenda adapter: claims, delivers, and settles under the fence of each job's own lock. */
import { clock } from "../../src/base/clock.ts";
import { toError } from "../../src/base/errors.ts";
import type { ConsumeOptions, Consumer, Delivery, Handler, Settlement } from "../../src/contract/index.ts";
import { type Exchanged, poll, type Settled } from "../shared/poll.ts";
import { bodyOf, crashesOf, type Endings, ended, fenceOf, idOf, loadJobs, publishedAtOf } from "./jobs.ts";
import type { AgendaNews } from "./news.ts";
import type { AgendaLink, Claim, Job, Unlocked } from "./table.ts";

export interface ConsumeContext extends Endings {
  readonly link: AgendaLink;
  readonly news: AgendaNews;
}

export interface AgendaConsumer extends Consumer {
  /** Resolves when what a fetch under way has brought is handed on, and what came back of it is settled. */
  quiet(): Promise<void>;
}

interface AgendaDelivery extends Delivery {
  readonly native: Job;
}

interface Session {
  readonly context: ConsumeContext;
  readonly name: string;
  /** With the time of its lock, as it was last written. */
  readonly held: Map<Job, number | undefined>;
  /** What is known of settlements whose exchange failed later on. */
  readonly known: Map<Job, boolean>;
  readonly onError: ConsumeOptions["onError"];
  /** A token of its own for each round of claims: a job that comes twice to one consumer is told apart. */
  token(): string;
}

/** The poll behind the notices, which bare producers send only once they are started, and in their place. */
const idleMs = { heard: 2_000, deaf: 500 };
const batchSize = 100;
/** Claims side by side, where each takes one job. */
const lanes = 8;
/** What was claimed singly in this time is delivered, before more is claimed. */
const claimingMs = 25;
/** No lock is as old: a claim takes only what is free. What was lost is given back by `maintain`, which counts the crash. */
const noLock = new Date(0);
let consumersMade = 0;

export function consumeJobs(
  context: ConsumeContext,
  name: string,
  handler: Handler,
  options: ConsumeOptions,
): AgendaConsumer {
  const { link, news, time, owner } = context;
  const me = `${owner}:${++consumersMade}`;
  let claims = 0;
  const session: Session = {
    context,
    name,
    held: new Map(),
    known: new Map(),
    onError: options.onError,
    token: () => `${me}:${++claims}`,
  };
  let underWay: Promise<unknown> | undefined;
  const source = {
    batchSize,
    get idleMs() {
      return news.heard ? idleMs.heard : idleMs.deaf;
    },
    exchange(settled: readonly Settled<AgendaDelivery>[], take: number) {
      const exchanging = link.call(() => exchange(session, settled, take));
      underWay = exchanging.catch(() => {}).finally(() => (underWay = undefined));
      return exchanging;
    },
  };
  const poller = poll<AgendaDelivery>(source, handler, options);
  const deaf = news.listen(name, poller.wake);
  return {
    ...poller,
    quiet: () => untilQuiet(() => underWay),
    async renew() {
      const jobs = [...session.held.keys()];
      if (jobs.length === 0) return;
      const at = new Date(time.now());
      const answers = await link.call(() => link.table.renew(jobs.map(fenceOf), at));
      jobs.forEach((job, i) => answers[i] && session.held.has(job) && session.held.set(job, at.getTime()));
      const lost = new Set(jobs.filter((_, i) => !answers[i]));
      if (lost.size > 0) poller.lost(({ native }) => lost.has(native));
    },
    async close(how) {
      await poller.close(how);
      deaf();
    },
  };
}

/** At most a few rounds: a consumer that is busy has always something under way. */
async function untilQuiet(underWay: () => Promise<unknown> | undefined): Promise<void> {
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  for (let round = 0; round < 3; round++) {
    const current = underWay();
    if (!current) return;
    await current;
    for (let turns = 0; turns < 3; turns++) await turn();
  }
}

async function exchange(
  session: Session,
  settled: readonly Settled<AgendaDelivery>[],
  take: number,
): Promise<Exchanged<AgendaDelivery>> {
  const { context, name, held, known } = session;
  const { link, news, time } = context;
  const again = await settle(session, settled);
  if (again) await news.announce(name, again.id, again.nextRunAt ?? new Date(time.now())); // nobody knows yet when it is due
  const scanned = new Date(time.now());
  const claimed = take > 0 ? await claim(session, take) : [];
  const stale = settled.map(({ delivery }) => !known.get(delivery.native));
  for (const { delivery } of settled) for (const set of [held, known]) set.delete(delivery.native);
  const deliveries = claimed.map((job) => toDelivery(link, job));
  if (take === 0 || claimed.length > 0) return { stale, deliveries, more: claimed.length > 0 };
  const dueAt = await link.table.nextDueAt(name, scanned).catch(() => undefined);
  return { stale, deliveries, nextDueMs: dueAt === undefined ? undefined : dueAt - time.now() };
}

const hold = (held: Session["held"], job: Job) => held.set(job, job.lockedAt?.getTime());

interface Ending {
  /** As it was delivered. */
  readonly key: Job;
  /** As it is stored. */
  readonly job: Job;
  readonly settlement: Settlement;
}

/** Writes what is not known yet into `known`: true where the lock was still ours. Answers one that comes again. */
async function settle(session: Session, settled: readonly Settled<AgendaDelivery>[]): Promise<Unlocked | undefined> {
  const { known } = session;
  const endings = settled.flatMap(({ delivery: { native: job }, settlement }) =>
    known.has(job) ? [] : [{ key: job, job, settlement }],
  );
  const again = await write(session, endings);
  const late = endings.filter(({ key }) => !known.get(key));
  return (await write(session, await rewritten(session, late))) ?? again;
}

/** An `every()` of others, at each start of theirs, writes to the row of a job that runs. Its lock tells that it is still ours. */
async function rewritten(
  { context: { link }, name, held }: Session,
  late: readonly Ending[],
): Promise<readonly Ending[]> {
  const found = await loadJobs(
    link,
    name,
    late.map(({ job }) => String(job._id)),
  );
  return late.flatMap((ending) => {
    const job = found.find(({ _id }) => String(_id) === String(ending.job._id));
    return job?.lockedAt && job.lockedAt.getTime() === held.get(ending.key) ? [{ ...ending, job }] : [];
  });
}

async function write({ context, name, known }: Session, endings: readonly Ending[]): Promise<Unlocked | undefined> {
  const { table } = context.link;
  const removed: Ending[] = [];
  const kept: Ending[] = [];
  const rows: Unlocked[] = [];
  for (const ending of endings) {
    const row = ended(ending.job, ending.settlement, context);
    if (row) rows.push(row);
    (row ? kept : removed).push(ending);
  }
  const note = (some: readonly Ending[], answers: readonly boolean[]) =>
    some.forEach(({ key }, i) => known.set(key, answers[i] === true));
  if (removed.length > 0)
    note(
      removed,
      await table.remove(
        name,
        removed.map(({ job }) => fenceOf(job)),
      ),
    );
  if (kept.length === 0) return undefined;
  const answers = await table.unlock(name, rows);
  note(kept, answers);
  return rows.find((row, i) => answers[i] && row.nextRunAt);
}

/** What is due, in order. */
async function claim(session: Session, count: number): Promise<readonly Job[]> {
  const { context, name, held, token } = session;
  const { link, time } = context;
  const { table } = link;
  const wanted = { token: token(), now: new Date(time.now()), count };
  if (!table.claim) return claimSingly(session, wanted);
  const ids = await table.claim(name, wanted);
  const found = await loadJobs(link, name, ids);
  for (const job of found) hold(held, job);
  return found;
}

/** One call tells whether there is anything; then several lanes take one job after another. */
async function claimSingly(
  { context, name, held, onError }: Session,
  { token, count }: Claim,
): Promise<readonly Job[]> {
  const { link, time } = context;
  const taken: Job[] = [];
  const until = clock.monotonic() + claimingMs;
  let started = 0;
  let empty = false;
  const next = async () => {
    started++;
    const now = new Date(time.now());
    const job = await link.call(() =>
      link.backend.repository.getNextJobToRun(name, now, noLock, now, { lastModifiedBy: token }),
    );
    if (!job) empty = true;
    else taken.push(job as Job);
    if (job) hold(held, job as Job); // renewed from now on, however long the others take
  };
  const lane = async () => {
    while (!empty && started < count && clock.monotonic() < until) await next();
  };
  await next();
  const ends = await Promise.allSettled(Array.from({ length: Math.min(lanes, count - 1) }, lane));
  for (const end of ends) if (end.status === "rejected") onError(toError(end.reason));
  const at = (job: Job) => job.nextRunAt?.getTime() ?? 0;
  return taken.sort((one, other) => at(one) - at(other) || other.priority - one.priority);
}

function toDelivery({ table }: AgendaLink, job: Job): AgendaDelivery {
  const publishedAt = publishedAtOf(job);
  return {
    id: idOf(table, job),
    body: bodyOf(job),
    attempt: (job.failCount ?? 0) + 1,
    crashes: crashesOf(job),
    ...(publishedAt === undefined ? {} : { publishedAt }),
    native: job,
  };
}
