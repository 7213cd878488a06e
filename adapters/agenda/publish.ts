/** Publishing: what one tick asks for goes in lists, in order. Agenda's own `saveJob` takes one job, and no id. */

import { setImmediate } from "../../src/base/clock.ts";
import { describe, FunboostError, isFunboostError, toError } from "../../src/base/errors.ts";
import { bodyText, bodyValue, JsonText } from "../../src/base/json.ts";
import { createTickBatches } from "../../src/base/tick-batches.ts";
import type { BrokerQueue, Message, Published } from "../../src/contract/index.ts";
import { publishError } from "../shared/publish-error.ts";
import { rowId, withId } from "./ids.ts";
import type { AgendaLink } from "./link.ts";
import type { AgendaNotices } from "./notices.ts";
import { isPlain } from "./plain-text.ts";
import type { ServerClock } from "./server-clock.ts";
import type { AgendaTable, NewJob } from "./table.ts";

/** Rows of one statement. */
const batchSize = 500;

interface Call {
  readonly jobs: readonly NewJob[];
  readonly ids: readonly string[];
  readonly published: Published[];
  resolve(published: readonly Published[]): void;
  reject(error: unknown): void;
}

export function createPublisher(
  link: AgendaLink,
  notices: AgendaNotices,
  time: ServerClock,
  name: string,
): BrokerQueue["publish"] {
  const add = createTickBatches<Call>({
    size: Number.POSITIVE_INFINITY,
    schedule: setImmediate,
    send: (calls) => void sendAll(link, notices, name, calls),
  });
  return (messages) =>
    new Promise((resolve, reject) => {
      if (messages.length === 0) return resolve([]);
      const rows = messages.map((message) => newJob(link, time, name, message));
      add({ jobs: rows.map(({ job }) => job), ids: rows.map(({ id }) => id), published: [], resolve, reject });
    });
}

/** Never rejects: each call gets its own answer. */
async function sendAll(link: AgendaLink, notices: AgendaNotices, name: string, calls: readonly Call[]): Promise<void> {
  await attempt(link, name, calls);
  const [first] = calls.flatMap(({ jobs, published }) => (published.length > 0 ? jobs : []));
  // Before the caller goes on, and may end its process.
  if (first) await notices.announce(name, first.id, first.nextRunAt);
  for (const call of calls) if (call.published.length === call.jobs.length) call.resolve(call.published);
}

async function attempt(link: AgendaLink, name: string, calls: readonly Call[]): Promise<void> {
  try {
    await insert(link, name, calls);
  } catch (error) {
    const left = calls.filter((call) => call.published.length < call.jobs.length);
    // One call's bad data must not take the others with it.
    const alone = calls.length > 1 && !(isFunboostError(error) && error.code === "BROKER_DOWN");
    for (const call of left) {
      if (alone && call.published.length === 0) await attempt(link, name, [call]);
      else call.reject(failureOf(call, error));
    }
  }
}

/** Writes down with each call what is in the queue of it. */
async function insert(link: AgendaLink, name: string, calls: readonly Call[]): Promise<void> {
  const rows = calls.flatMap((call) => call.jobs.map((job, i) => ({ job, call, id: call.ids[i] as string })));
  for (let from = 0; from < rows.length; from += batchSize) {
    const some = rows.slice(from, from + batchSize);
    const jobs = some.map(({ job }) => job);
    const fresh = await link.call(() => link.table.insert(name, jobs));
    for (const [i, { call, id }] of some.entries()) call.published.push(fresh[i] ? { id } : { id, existing: true });
  }
}

/** The database's own errors say most, where nothing was accepted. */
function failureOf({ published, jobs }: Call, error: unknown): unknown {
  if (published.length === 0) return error;
  const ids = published.map(({ id }) => id);
  return publishError("agenda", toError(error), ids, jobs.length);
}

/** As the table takes it. Throws BAD_ARGS. */
export function dataOf({ unfit, keepsValues }: AgendaTable, data: unknown): unknown {
  const text = bodyText(data);
  if (unfit?.pattern.test(text)) throw new FunboostError("BAD_ARGS", unfit.says, { where: "agenda" });
  return keepsValues ? bodyValue(data) : new JsonText(text);
}

function newJob(
  { table }: AgendaLink,
  time: ServerClock,
  name: string,
  message: Message,
): { readonly id: string; readonly job: NewJob } {
  const { id, body, delayMs = 0, attempt = 1, publishedAt, foreign, native } = message;
  const [option] = Object.keys(native ?? {});
  if (option !== undefined)
    throw new FunboostError("BAD_OPTION", `takes no brokerOptions for one message, got ${describe(option)}.`, {
      where: "agenda",
    });
  if (id !== undefined && !isPlain(id))
    throw new FunboostError(
      "BAD_OPTION",
      `a task id holds no NUL and no half of a surrogate pair, got ${describe(id)}.`,
      { where: "agenda" },
    );
  const { at, rank } = time.ticket(delayMs);
  const data = id === undefined || foreign ? body : withId(bodyValue(body), id);
  const row = id === undefined ? table.newId() : foreign && table.isId(id) ? id : rowId(table, name, id);
  const failCount = attempt > 1 ? attempt - 1 : null;
  return {
    id: foreign ? row : (id ?? row),
    job: {
      id: row,
      data: dataOf(table, data),
      nextRunAt: at,
      rank,
      publishedAt: foreign ? undefined : new Date(publishedAt ?? time.now()),
      failCount,
    },
  };
}
