/** News of a SQLite file: from this process at once, from others by a watch on its -wal file with a poll behind it. */
import { type FSWatcher, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { clock, repeat } from "../../src/base/clock.ts";

export interface FileNews {
  announce(topic: string): void;
  listen(topic: string, listener: () => void): () => void;
  close(): void;
}

/** Behind the watch, which may lose a notice. */
const pollMs = 500;
/** In its place, where the system has no watches left or the file system has none. A look costs 3 us. */
const pollAloneMs = 20;

/** `version` answers SQLite's `data_version`: it changes when another connection has written. */
export function watchFile(path: string, version: () => number | undefined): FileNews {
  const topics = new Map<string, Set<() => void>>();
  const tellAll = () => {
    for (const listeners of [...topics.values()]) for (const listener of [...listeners]) listener();
  };
  let stop: (() => void) | undefined;
  return {
    announce(topic) {
      for (const listener of [...(topics.get(topic) ?? [])]) listener();
    },
    listen(topic, listener) {
      stop ??= startWatch(path, version, tellAll);
      const listeners = topics.get(topic) ?? new Set();
      topics.set(topic, listeners.add(listener));
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) topics.delete(topic);
      };
    },
    close() {
      stop?.();
      topics.clear();
    },
  };
}

function startWatch(path: string, version: () => number | undefined, changed: () => void): () => void {
  let seen: number | undefined;
  const look = () => {
    try {
      const now = version();
      const news = seen !== undefined && now !== seen;
      seen = now;
      if (news) changed();
      return news;
    } catch {
      return false; // locked for a moment: the next look sees it
    }
  };
  look();
  const lookAgain = lookRepeatedly(look);
  let stopPoll: () => Promise<void>;
  const poll = (ms: number) =>
    (stopPoll = repeat(
      ms,
      async () => void look(),
      () => {},
    ));
  const watcher = watchWal(path, lookAgain, () => {
    void stopPoll();
    poll(pollAloneMs);
  });
  poll(watcher ? pollMs : pollAloneMs);
  return () => {
    watcher?.close();
    void stopPoll();
  };
}

function watchWal(path: string, onEvent: () => void, onFailure: () => void): FSWatcher | undefined {
  const wal = `${basename(path)}-wal`;
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_event, name) =>
      name === wal || name === null ? onEvent() : undefined,
    );
    watcher.on("error", () => {
      watcher.close();
      onFailure();
    });
    return watcher;
  } catch {
    return undefined;
  }
}

/** The notice of a write comes before the writer has made its commit visible: look now, and twice soon after. */
function lookRepeatedly(look: () => boolean): () => void {
  let pending = false;
  const later = (delays: readonly number[]) => {
    const [first, ...rest] = delays;
    pending = first !== undefined;
    if (first !== undefined) clock.after(first, () => later(look() ? [] : rest), { unref: true });
  };
  return () => {
    if (!look() && !pending) later([1, 4]);
  };
}
