/** Who waits in this process for a result of a SQLite store. */
import { queueMicrotask } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import type { Results } from "../../src/contract/index.ts";
import { answer, hear, type Settle, type WaitMap, waitKey, waitOnce } from "../shared/wait-for.ts";
import { jsonText, type SqliteFile } from "./file.ts";
import { createRowReader } from "./row-reader.ts";

export interface Waits {
  readonly topic: string;
  wait(queue: string, id: string, signal: AbortSignal): Promise<string>;
  hear(queue: string, id: string, heard: Settle): () => void;
  close(): void;
}

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
  const waits: WaitMap = new Map();
  const reader = createRowReader(file, {
    topic,
    newestSql: sql.lastResult,
    cares: () => waits.size > 0,
    readAfter: (last) => answerNew(file, sql, waits, last),
  });
  const check = createCheck(file, sql.results, waits);
  const hearOne: Waits["hear"] = (queue, id, heard) => {
    reader.start();
    const forget = hear(waits, waitKey(queue, id), heard);
    check(queue, id);
    return forget;
  };
  return {
    topic,
    wait: (queue, id, signal) => waitOnce(signal, (settle) => hearOne(queue, id, settle)),
    hear: hearOne,
    close() {
      reader.stop();
      const error = new FunboostError("STORE", "the store was closed while a result was waited for.", {
        where: "sqlite",
      });
      for (const key of [...waits.keys()]) answer(waits, key, error);
    },
  };
}

/** The first wait may open the file. */
export function waitWhenOpen(open: () => Promise<Waits>): Results["wait"] {
  const wait = async (queue: string, id: string, signal: AbortSignal) => (await open()).wait(queue, id, signal);
  return Object.assign(wait, {
    hear(queue: string, id: string, heard: Settle) {
      let forget: (() => void) | undefined;
      let isOver = false;
      const begin = (waits: Waits) => {
        if (!isOver) forget = waits.hear(queue, id, heard);
      };
      void open().then(begin).catch(heard); // a file that cannot be read now
      return () => {
        isOver = true;
        forget?.();
      };
    },
  });
}

/** Only the outcomes that somebody waits for are read. Answers the numbers of all new rows. */
function answerNew(file: SqliteFile, sql: WaitsSql, waits: WaitMap, last: number): readonly number[] {
  const rows = file.json<[number, string, string][]>(sql.newResults, [last]);
  const wanted = rows.filter(([, queue, id]) => waits.has(waitKey(queue, id))).map(([seq]) => seq);
  if (wanted.length > 0)
    for (const [queue, id, outcome] of file.json<[string, string, string][]>(sql.outcomes, [jsonText(wanted)]))
      answer(waits, waitKey(queue, id), outcome);
  return rows.map(([seq]) => seq);
}

/** Results that were there before the wait: those of one tick are asked for together. */
function createCheck(file: SqliteFile, sql: string, waits: WaitMap) {
  const asked = new Map<string, string[]>();
  const ask = async () => {
    const queues = [...asked];
    asked.clear();
    for (const [queue, ids] of queues) {
      const found = await file.read(() => file.json<[string, string][]>(sql, [queue, jsonText(ids)]));
      for (const [id, outcome] of found) answer(waits, waitKey(queue, id), outcome);
    }
  };
  return (queue: string, id: string) => {
    // The poll finds later ones; a file that is gone has none.
    if (asked.size === 0) queueMicrotask(() => void ask().catch(() => {}));
    const ids = asked.get(queue);
    if (ids) ids.push(id);
    else asked.set(queue, [id]);
  };
}
