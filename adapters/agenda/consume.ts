/** The consuming half of the Agenda adapter: asks for jobs, delivers them, renews their locks. */
import { setImmediate } from "../../src/base/clock.ts";
import type { ConsumeOptions, Consumer, Handler } from "../../src/contract/index.ts";
import { type ExchangeAnswer, type PollConsumer, type PollSource, poll, type SettledDelivery } from "../shared/poll.ts";
import { claim } from "./claim.ts";
import { isOurs, rulesOf } from "./foreign.ts";
import { idOf } from "./ids.ts";
import { bodyOf, crashesOf, fenceOf, publishedAtOf } from "./jobs.ts";
import type { AgendaDelivery, ConsumeContext, Session } from "./session.ts";
import { settle } from "./settle.ts";
import type { Job } from "./table.ts";

export interface AgendaConsumer extends Consumer {
  /** Resolves when what a fetch under way has brought is handed on, and what came back of it is settled. */
  quiet(): Promise<void>;
}

/** The poll behind the notices, which bare producers send only once they are started, and in their place. */
const idleMs = { behindNotices: 2_000, alone: 500 };
const batchSize = 100;
let consumersMade = 0;

export function consumeJobs(
  context: ConsumeContext,
  name: string,
  handler: Handler,
  options: ConsumeOptions,
): AgendaConsumer {
  const session = createSession(context, name, options);
  const source = createSource(session);
  const poller = poll<AgendaDelivery>(source, handler, options);
  const stopListening = context.notices.listen(name, poller.wake);
  return {
    ...poller,
    quiet: source.quiet,
    renew: () => renew(session, poller),
    async close(how) {
      await poller.close(how);
      stopListening();
    },
  };
}

function createSession(context: ConsumeContext, name: string, { onError }: ConsumeOptions): Session {
  const me = `${context.owner}:${++consumersMade}`;
  let claims = 0;
  return { context, name, locks: new Map(), applied: new Map(), onError, nextToken: () => `${me}:${++claims}` };
}

function createSource(session: Session): PollSource<AgendaDelivery> & Pick<AgendaConsumer, "quiet"> {
  const { link, notices } = session.context;
  let underWay: Promise<unknown> | undefined;
  return {
    batchSize,
    get idleMs() {
      return notices.isHeard() ? idleMs.behindNotices : idleMs.alone;
    },
    exchange(settlements, take) {
      const exchanging = link.call(() => exchange(session, settlements, take));
      underWay = exchanging.catch(() => {}).finally(() => (underWay = undefined));
      return exchanging;
    },
    quiet: () => untilQuiet(() => underWay),
  };
}

/** At most a few rounds: a consumer that is busy has always something under way. */
async function untilQuiet(underWay: () => Promise<unknown> | undefined): Promise<void> {
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  for (let round = 0; round < 3; round++) {
    const current = underWay();
    if (!current) return;
    await current;
    for (let turns = 0; turns < 3; turns++) await turn();
  }
}

async function exchange(
  session: Session,
  settlements: readonly SettledDelivery<AgendaDelivery>[],
  take: number,
): Promise<ExchangeAnswer<AgendaDelivery>> {
  const { context, name, locks, applied } = session;
  const { link, notices, time } = context;
  const again = await settle(session, settlements);
  // Nobody knows yet when it is due.
  if (again) await notices.announce(name, again.id, again.nextRunAt ?? new Date(time.now()));
  const scanned = new Date(time.now());
  const claimed = take > 0 ? await claim(session, take) : [];
  const stale = settlements.map(({ delivery }) => !applied.get(delivery.native));
  for (const { delivery } of settlements) for (const map of [locks, applied]) map.delete(delivery.native);
  const deliveries = claimed.map((job) => toDelivery(session.context, job));
  if (take === 0 || claimed.length > 0) return { stale, deliveries, more: claimed.length > 0 };
  const dueAt = await link.table.nextDueAt(name, scanned).catch(() => undefined);
  return { stale, deliveries, nextDueMs: dueAt === undefined ? undefined : dueAt - time.now() };
}

async function renew({ context, locks }: Session, poller: PollConsumer<AgendaDelivery>): Promise<void> {
  const { link, time } = context;
  const jobs = [...locks.keys()];
  if (jobs.length === 0) return;
  const at = new Date(time.now());
  const answers = await link.call(() => link.table.renew(jobs.map(fenceOf), at));
  jobs.forEach((job, i) => answers[i] && locks.has(job) && locks.set(job, at.getTime()));
  const lost = new Set(jobs.filter((_, i) => !answers[i]));
  if (lost.size > 0) poller.abort(({ native }) => lost.has(native));
}

function toDelivery({ link: { table }, backoff }: ConsumeContext, job: Job): AgendaDelivery {
  const publishedAt = publishedAtOf(job);
  return {
    id: idOf(table, job),
    body: bodyOf(job),
    attempt: (job.failCount ?? 0) + 1,
    crashes: crashesOf(job),
    ...(publishedAt === undefined ? {} : { publishedAt }),
    ...(isOurs(job) ? {} : { rules: rulesOf(job, backoff) }),
    native: job,
  };
}
