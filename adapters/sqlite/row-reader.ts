/** Reads the rows that are new in a SQLite file, in the order in which they were committed. */
import { repeat } from "../../src/base/clock.ts";
import type { SqliteFile } from "./file.ts";

/** Behind the file's own notices, which may come while the file is locked. */
const pollMs = 500;

interface RowReaderOptions {
  readonly topic: string;
  /** Answers the number of the last row, `n`. */
  readonly newestSql: string;
  /** Whether anybody wants to hear of new rows. */
  cares(): boolean;
  /** Called at each piece of news while somebody cares; answers the numbers of the rows that it has read. */
  readAfter(last: number): readonly number[];
}

export function createRowReader(file: SqliteFile, { topic, newestSql, cares, readAfter }: RowReaderOptions) {
  let last = 0;
  let stop: (() => void) | undefined;
  const newest = () => file.get<{ n: number }>(newestSql)?.n ?? 0;
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
