/** What a process of a SQLite store hears of the notices of all. */
import { queueMicrotask } from "../../src/base/clock.ts";
import type { SqliteFile } from "./file.ts";
import { createRowReader } from "./row-reader.ts";

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
  const reader = createRowReader(file, {
    topic,
    newestSql: sql.lastNotice,
    cares: () => channels.size > 0,
    readAfter(last) {
      const rows = file.json<[number, string, string][]>(sql.notices, [last]);
      for (const [, channel, text] of rows) tell(channels.get(channel), text);
      return rows.map(([seq]) => seq);
    },
  });
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
