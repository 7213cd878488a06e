/** A process that takes a lock and holds it until it is told to end: the one that is killed, or stopped. */
import { once } from "node:events";
import { redisStore } from "../../adapters/redis/store.ts";
import { sqliteStore } from "../../adapters/sqlite/store.ts";
import { configure, withLock } from "../../src/index.ts";

export interface LockJob {
  readonly store: { readonly file: string } | { readonly url: string; readonly prefix: string };
  readonly key: string;
  readonly ttl: number;
}

export type LockNews = "held" | "lost" | "released";

const { store, key, ttl } = JSON.parse(process.argv[2] ?? "{}") as LockJob;
const tell = (news: LockNews) => void process.send?.(news);

configure({ store: "file" in store ? sqliteStore(store) : redisStore(store), log: { level: "silent" } });
await withLock(key, { ttl }, async (signal) => {
  signal.addEventListener("abort", () => tell("lost"));
  tell("held");
  await once(process, "message");
});
tell("released");
process.disconnect();
