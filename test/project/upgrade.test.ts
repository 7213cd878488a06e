/** The last version with the first contract of stores beside this one, on one file and one Redis: nothing is lost, there and back. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { redisStore } from "../../adapters/redis/store.ts";
import { sqliteStore } from "../../adapters/sqlite/store.ts";
import { sleep } from "../../src/base/clock.ts";
import type { Store } from "../../src/contract/index.ts";
import { serviceFor } from "../support/services.ts";
import { root } from "../support/sources.ts";

/** Of the first contract, as far as it is asked here. */
interface OldStore {
  get: Store["get"];
  set: Store["set"];
  lease: Store["lease"];
  readonly results: Store["results"];
  readonly list: {
    append(key: string, items: readonly string[], ttlMs?: number): Promise<void>;
    read(key: string, from: number, limit: number): Promise<readonly string[]>;
  };
  readonly timers: {
    add(queue: string, entries: readonly { id: string; dueInMs: number; payload: string }[]): Promise<void>;
    lease(queue: string, limit: number, ttlMs: number): Promise<{ entries: readonly { id: string }[] }>;
    ack(queue: string, ids: readonly string[]): Promise<void>;
    remove(queue: string, ids: readonly string[]): Promise<readonly string[]>;
    count(queue: string): Promise<number>;
  };
  close(): Promise<void>;
}

const commit = "f440c44632d190d9a9ec01bd8cd8e918f7b8233e";
const service = await serviceFor("redis");
const url = service.unavailable ? "" : (service.settings?.REDIS_URL ?? "");
const folder = mkdtempSync(join(tmpdir(), "funboost-upgrade-"));
const missing = unpack();

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await service.stop();
});

/** The sources of that version, from the history. Answers why not. */
function unpack(): string | undefined {
  try {
    const archive = execFileSync("git", ["archive", commit, "src", "adapters", "package.json"], {
      cwd: root,
      maxBuffer: 1e9,
      stdio: ["ignore", "pipe", "ignore"],
    });
    execFileSync("tar", ["-x", "-C", folder], { input: archive });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    return undefined;
  } catch {
    return `no commit ${commit.slice(0, 7)} in this clone`;
  }
}

async function oldStore(engine: "sqlite" | "redis", options: object): Promise<OldStore> {
  vi.resetModules(); // a process of its own, as far as a file's connection goes
  const module = (await import(join(folder, `adapters/${engine}/store.ts`))) as Record<
    string,
    (options: object) => OldStore
  >;
  const open = module[`${engine}Store`];
  if (!open) throw new Error(`the old version has no ${engine}Store`);
  return open(options);
}

const idsOf = (entries: readonly { readonly id: string }[]) => entries.map(({ id }) => id).sort();

async function thereAndBack(old: () => Promise<OldStore>, now: () => Store): Promise<void> {
  const first = await old();
  await first.set([{ key: "k", value: "old" }]);
  await first.list.append("l", ["1"], 60_000);
  await first.results.put("q", [{ id: "r", outcome: "old", ttlMs: 60_000, publishedAt: 1 }]);
  await first.timers.add("q", [
    { id: "a", dueInMs: 0, payload: "A" },
    { id: "b", dueInMs: 60_000, payload: "B" },
    { id: "held", dueInMs: 0, payload: "H" },
  ]);
  const { fence = 0 } = (await first.lease("l", "old", 60_000)) ?? {};
  await first.timers.lease("q", 1, 0);
  const store = now();
  const second = await old(); // both at once
  expect([await store.get(["k"]), await store.list.read("l", 0, 9)]).toEqual([["old"], ["1"]]);
  expect(await store.results.get("q", ["r"])).toEqual(["old"]);
  expect([await store.lease("l", "new", 1_000), await store.lease("l", "old", 60_000)]).toEqual([null, { fence }]);
  expect(await store.timers.count(["q"])).toEqual([3]);
  const leased = await store.timers.lease(["q"], { limit: 9, ttlMs: 1_000 });
  expect(idsOf(leased.entries)).toEqual(["a", "held"]);
  expect((await second.timers.lease("q", 9, 50)).entries).toEqual([]);
  expect(await second.timers.remove("q", ["a", "held"])).toEqual([]);
  await sleep(1_030);
  expect(idsOf((await second.timers.lease("q", 9, 1_000)).entries)).toEqual(["a", "held"]);
  expect(await store.timers.ack(leased.entries)).toEqual([false, false]);
  await second.timers.ack("q", ["a"]);
  expect(await store.timers.count(["q"])).toEqual([2]);
  await sleep(1_030);
  const again = await store.timers.lease(["q"], { limit: 9, ttlMs: 60_000 });
  expect(idsOf(again.entries)).toEqual(["held"]);
  expect(await store.timers.ack(again.entries)).toEqual([true]);
  await store.timers.add([{ queue: "q", id: "c", dueInMs: 0, payload: "C" }]);
  await store.timers.lease(["q"], { limit: 9, ttlMs: 0 });
  await store.set([{ key: "k", value: "new" }]);
  await store.list.append([{ key: "l", items: ["2"], ttlMs: 60_000 }]);
  await store.map.put([{ key: "k", fields: [["f", "new"]] }]);
  await store.index.put("i", [{ id: "a", value: "new" }]);
  await store.results.put("q", [{ id: "s", outcome: "new", ttlMs: 60_000, publishedAt: 2 }]);
  for (const each of [store, first, second]) await each.close();
  const back = await old();
  await sleep(5);
  expect([await back.get(["k"]), await back.list.read("l", 0, 9)]).toEqual([["new"], ["1", "2"]]);
  expect(await back.results.get("q", ["r", "s"])).toEqual(["old", "new"]);
  expect(await back.timers.count("q")).toBe(2);
  expect(idsOf((await back.timers.lease("q", 9, 50)).entries)).toEqual(["c"]);
  await back.timers.ack("q", ["c"]);
  await back.close();
  const last = now();
  expect([await last.map.get("k", ["f"]), await last.index.count("i")]).toEqual([["new"], 1]);
  expect((await last.timers.read("q", { limit: 9 })).items.map(({ id }) => id)).toEqual(["b"]);
  await last.close();
}

const skip = missing ? ` (skipped: ${missing})` : "";

describe.skipIf(missing !== undefined)(`a version before this one${skip}`, () => {
  it("and this one share a SQLite file, there and back", async () => {
    const options = { file: join(folder, "shared.db") };
    await thereAndBack(
      () => oldStore("sqlite", options),
      () => sqliteStore(options),
    );
  });

  it.skipIf(!url)("and this one share a Redis, there and back", async () => {
    const options = { url, prefix: `upgrade${process.pid}:` };
    await thereAndBack(
      () => oldStore("redis", options),
      () => redisStore(options),
    );
  });
});
