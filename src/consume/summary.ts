/**
 * The line a minute about a queue that is consumed: how fast, what is left, what holds it. Silent when nothing happens.
 */
import { clock } from "../base/clock.ts";
import { summaryWanted } from "../base/log.ts";
import { queueInfo, timeLeft } from "../queue/info.ts";
import { newsOf, type Tally } from "../queue/tally.ts";
import { configuration } from "../setup/configure.ts";
import type { OpenQueue } from "../setup/model.ts";
import type { HoldReason } from "./hold-reason.ts";

const everyMs = 60_000;
/** In all processes, when that is more than here by this. */
const notably = 1.2;

/** Called once a second. */
export function createSummary(
  task: OpenQueue,
  tally: Tally,
  running: () => number,
): (hold: HoldReason | undefined) => Promise<void> {
  if (!summaryWanted({ ...configuration().log, ...task.options.log })) return async () => {};
  let before = { ...tally };
  let beforeAt = clock.monotonic();
  let lastHoldText = "";
  return async (hold) => {
    const now = clock.monotonic();
    if (now - beforeAt < everyMs) return;
    const news = { ...newsOf(tally, before), spanMs: now - beforeAt };
    [before, beforeAt] = [{ ...tally }, now];
    if (news.ran + news.failed + running() === 0 && !hold) return;
    const left = await whatIsLeft(task, tally, news).catch(() => undefined); // trouble is said elsewhere
    if (news.ran + news.failed + running() === 0 && left?.waiting === 0) return;
    const holdText = news.ran === 0 && hold ? `${hold.control} ${left?.waiting}` : "";
    if (holdText !== "" && holdText === lastHoldText) return; // nothing has happened since
    lastHoldText = holdText;
    const { ran, failed, retried } = news;
    const waiting = left && { waiting: left.waiting, delayed: left.delayed };
    task.log.info(
      { queue: task.options.queue, ran, failed, retried, running: running(), ...waiting },
      textOf(news, hold, left),
    );
  };
}

interface News {
  readonly ran: number;
  readonly retried: number;
  readonly spanMs: number;
}

interface Left {
  readonly waiting: number | undefined;
  readonly delayed: number | undefined;
  readonly etaMs: number | undefined;
  /** In all processes. */
  readonly perSecond: number | undefined;
}

async function whatIsLeft(task: OpenQueue, tally: Tally, { ran, retried, spanMs }: News): Promise<Left> {
  if (task.store) {
    const { ready, delayed, etaMs, ranPerMinute } = await queueInfo(task);
    return { waiting: ready, delayed, etaMs, perSecond: ranPerMinute / 60 };
  }
  const counts = await task.queue.count?.();
  const etaMs =
    counts &&
    timeLeft(counts, { total: tally, recent: { ran, retried }, spanMs, paused: undefined, limits: undefined });
  return { waiting: counts?.ready, delayed: counts?.delayed, etaMs, perSecond: undefined };
}

function textOf({ ran, spanMs }: News, hold: HoldReason | undefined, left: Left | undefined): string {
  if (ran === 0)
    return hold
      ? `nothing starts: ${hold.control}, for ${durationText(hold.ms)}`
      : "no run has ended in the last minute";
  const here = (ran * 1000) / spanMs;
  const inAll =
    left?.perSecond !== undefined && left.perSecond > here * notably
      ? ` here, ${rateText(left.perSecond)} in all processes`
      : "";
  const leftText = left?.etaMs ? `, ${durationText(left.etaMs)} left` : "";
  return `${rateText(here)} runs/s${inAll}${leftText}${hold ? `; nothing starts: ${hold.control}` : ""}`;
}

function rateText(perSecond: number): string {
  return perSecond >= 100 ? perSecond.toFixed(0) : perSecond >= 1 ? perSecond.toFixed(1) : perSecond.toPrecision(2);
}

const units = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
] as const;

/** For people: "2 h 5 min", "40 s". */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "less than a second";
  const [unit, size] = units[first] as (typeof units)[number];
  const [smaller, smallerSize] = units[first + 1] ?? ["", seconds + 1];
  const rest = Math.floor((seconds % size) / smallerSize);
  return `${Math.floor(seconds / size)} ${unit}${rest > 0 ? ` ${rest} ${smaller}` : ""}`;
}
