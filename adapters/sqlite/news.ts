/** What a SQLite file tells those who wait: results and notices. Rows are read in the order in which they were committed. */
import { repeat } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import { type Settle, waitFor } from "../shared/wait-for.ts";
import { jsonText, type SqliteFile } from "./file.ts";

/** Behind the file's own notices, which may come while the file is locked. */
const pollMs = 500;

export interface Waits {
  readonly topic: string;
  wait(queue: string, id: string, signal: AbortSignal): Promise<string>;
  close(): void;
}

const keyOf = (queue: string, id: string) => `${queue.length}:${queue}${id}`;

export interface WaitsSql {
  readonly lastResult: string;
  /** Parameter: the last number read. Rows: number, queue, id. */
  readonly newResults: string;
  /** Parameter: a list of numbers. Rows: queue, id, outcome. */
  readonly outcomes: string;
  /** Parameters: queue, a list of ids. Rows: id, outcome. */
  readonly results: string;
}

/** One read per news for all waits of a process, however many they are. */
export function createWaits(file: SqliteFile, sql: WaitsSql): Waits {
  const topic = "results";
  const waits = new Map<string, Set<Settle>>();
  const answer = (key: string, outcome: string | Error) => {
    for (const settle of [...(waits.get(key) ?? [])]) settle(outcome);
  };
  const take = (seqs: readonly number[]) => {
    for (const [queue, id, outcome] of file.json<[string, string, string][]>(sql.outcomes, [jsonText(seqs)]))
      answer(keyOf(queue, id), outcome);
  };
  const reader = createReader(
    file,
    topic,
    sql.lastResult,
    () => waits.size > 0,
    (last) => {
      const rows = file.json<[number, string, string][]>(sql.newResults, [last]);
      const wanted = rows.filter(([, queue, id]) => waits.has(keyOf(queue, id)));
      if (wanted.length > 0) take(wanted.map(([seq]) => seq));
      return rows.map(([seq]) => seq);
    },
  );
  const check = createCheck(file, sql.results, answer);
  return {
    topic,
    wait(queue, id, signal) {
      signal.throwIfAborted();
      reader.start();
      const waiting = waitFor(waits, keyOf(queue, id), signal);
      check(queue, id);
      return waiting;
    },
    close() {
      reader.stop();
      const error = new FunboostError("STORE", "the store was closed while a result was waited for.", {
        where: "sqlite",
      });
      for (const key of [...waits.keys()]) answer(key, error);
    },
  };
}

/** Results that were there before the wait: those of one tick are asked for together. */
function createCheck(file: SqliteFile, sql: string, answer: (key: string, outcome: string) => void) {
  const asked = new Map<string, string[]>();
  const ask = async () => {
    const queues = [...asked];
    asked.clear();
    for (const [queue, ids] of queues) {
      const found = await file.read(() => file.json<[string, string][]>(sql, [queue, jsonText(ids)]));
      for (const [id, outcome] of found) answer(keyOf(queue, id), outcome);
    }
  };
  return (queue: string, id: string) => {
    if (asked.size === 0) queueMicrotask(() => void ask().catch(() => {})); // the poll finds later ones; a file that is gone has none
    const ids = asked.get(queue);
    if (ids) ids.push(id);
    else asked.set(queue, [id]);
  };
}

export interface Notices {
  readonly topic: string;
  subscribe(channel: string, listener: (text: string) => void): () => void;
  close(): void;
}

export interface NoticesSql {
  readonly lastNotice: string;
  /** Parameter: the last number read. Rows: number, channel, text. */
  readonly notices: string;
}

export function createNotices(file: SqliteFile, sql: NoticesSql): Notices {
  const topic = "notices";
  const channels = new Map<string, Set<(text: string) => void>>();
  const reader = createReader(
    file,
    topic,
    sql.lastNotice,
    () => channels.size > 0,
    (last) => {
      const rows = file.json<[number, string, string][]>(sql.notices, [last]);
      for (const [, channel, text] of rows) tell(channels.get(channel), text);
      return rows.map(([seq]) => seq);
    },
  );
  return {
    topic,
    subscribe(channel, listen) {
      reader.start();
      const own = (text: string) => listen(text); // the same function may subscribe twice
      const there = channels.get(channel) ?? new Set();
      channels.set(channel, there.add(own));
      return () => {
        if (there.delete(own) && there.size === 0 && channels.get(channel) === there) channels.delete(channel);
      };
    },
    close() {
      reader.stop();
      channels.clear();
    },
  };
}

/** Each in its own microtask: a listener that throws stops nobody else. */
function tell(listeners: ReadonlySet<(text: string) => void> | undefined, text: string): void {
  for (const listener of listeners ?? []) queueMicrotask(() => listeners?.has(listener) && listener(text));
}

/** Calls `readAfter(last)` at each piece of news while somebody cares; it answers the numbers of the rows that it has read. */
function createReader(
  file: SqliteFile,
  topic: string,
  lastSql: string,
  cares: () => boolean,
  readAfter: (last: number) => readonly number[],
) {
  let last = 0;
  let stop: (() => void) | undefined;
  const newest = () => file.get<{ n: number }>(lastSql)?.n ?? 0;
  const pump = () => {
    try {
      while (cares()) {
        const seqs = readAfter(last);
        last = seqs.at(-1) ?? last;
        if (seqs.length < 1000) return;
      }
    } catch {
      // locked for a moment: the poll comes
    }
  };
  const listen = () => {
    const deaf = file.listen(topic, pump);
    const stopPoll = repeat(
      pollMs,
      async () => pump(),
      () => {},
    );
    return () => {
      deaf();
      void stopPoll();
    };
  };
  return {
    /** Before somebody begins to care: rows from now on are read. */
    start() {
      if (!cares()) last = newest();
      stop ??= listen();
    },
    stop: () => stop?.(),
  };
}
