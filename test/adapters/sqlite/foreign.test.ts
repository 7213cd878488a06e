/** Rows of a SQLite file that no version of funboost writes: text that is no UTF-8 aborts the process inside the driver. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { boost, configure, shutdown } from "funboost";
import Libsql from "libsql";
import { afterEach, describe, expect, it } from "vitest";
import { sqlite } from "../../../adapters/sqlite/broker.ts";
import { sqliteStore } from "../../../adapters/sqlite/store.ts";
import { sleep } from "../../../src/base/clock.ts";
import type { Store } from "../../../src/contract/index.ts";

configure({ signals: false, log: false });
const closers: (() => unknown)[] = [];
afterEach(async () => {
  await shutdown({ grace: 500 });
  for (const close of closers.splice(0)) await close();
});

const newFile = () => join(mkdtempSync(join(tmpdir(), "funboost-foreign-")), "queue.db");

/** Another program at the same file. */
function raw(file: string) {
  const db = new Libsql(file, { timeout: 5_000 });
  closers.push(() => db.close());
  return (sql: string, ...values: unknown[]) => db.prepare(sql).run(values);
}

const row = (queue: string, id: string, body: string, attempt = "1") =>
  `insert into funboost_message (queue, id, rank, due, attempt, published_at, body)
     select queue, ${id}, 0, 0, ${attempt}, 1, ${body} from funboost_queue where name = '${queue}'`;
const invalid = "cast(X'7B226E223A22FF227D' as text)"; // {"n":"\xff"}

async function until(holds: () => unknown): Promise<void> {
  for (const end = performance.now() + 10_000; !(await holds()); await sleep(5))
    if (performance.now() > end) throw new Error(`still not: ${holds}`);
}

/** How often somebody writes to the file meanwhile. */
async function news(file: string, ms: number, begin: () => Promise<void>): Promise<number> {
  const db = new Libsql(file, { timeout: 5_000 });
  closers.push(() => db.close());
  const version = () => db.prepare("pragma data_version").get() as { data_version: number };
  let last = version().data_version;
  let changes = 0;
  await begin();
  for (const end = performance.now() + ms; performance.now() < end; await sleep(2)) {
    const { data_version: now } = version();
    if (now !== last) changes++;
    last = now;
  }
  return changes;
}

describe("a message", () => {
  it("whose body is no text is a bad message with its bytes and its id, and the others run", async () => {
    const file = newFile();
    const seen: unknown[] = [];
    const job = boost({ queue: "q", broker: sqlite({ file }), params: ["n"], rpc: true }, (n: unknown) => {
      seen.push(n);
    });
    await job.push("first");
    const execute = raw(file);
    execute(row("q", "'no utf-8'", invalid));
    execute(row("q", "'cut off'", "cast(X'7B226E22E2' as text)"));
    execute(row("q", "'blob'", "X'7B226E223A317D'"));
    execute(row("q", "'empty blob'", "X''"));
    await job.push("\ufffd");
    await job.push("last");
    await job.consume();
    await until(() => seen.length === 3);
    await until(async () => (await job.deadLetters.count()) === 4);
    expect(seen).toEqual(["first", "\ufffd", "last"]);
    const letters = (await job.deadLetters.list()).map(
      ({ body }) => body as { raw: string; extra: Record<string, string> },
    );
    expect(letters.map(({ raw, extra }) => [extra.task_id, raw])).toEqual([
      ["no utf-8", "X'7B226E223A22FF227D'"],
      ["cut off", "X'7B226E22E2'"],
      ["blob", "X'7B226E223A317D'"],
      ["empty blob", "X''"],
    ]);
    expect(letters[0]?.extra.reason).toContain("is no UTF-8");
    expect(letters[2]?.extra.reason).toContain("a BLOB");
    expect((await job.handle("blob").waitRecord({ timeout: 1_000 })).status).toBe("dead");
    expect(await job.count()).toBe(0);
  });

  it("whose id or counts are odd runs, and holds nobody up", async () => {
    const file = newFile();
    const seen: unknown[] = [];
    const job = boost({ queue: "q", broker: sqlite({ file }), params: ["n"] }, (n: unknown) => void seen.push(n));
    await job.push(0);
    const execute = raw(file);
    execute(row("q", "cast(X'61FF' as text)", `'{"n":1}'`));
    execute(row("q", "X'62FF'", `'{"n":2}'`));
    execute(row("q", "'c'", `'{"n":3}'`, "'many'"));
    execute(row("q", "'d'", `'{"n":4}'`, "X'00'"));
    await job.push(5);
    expect((await job.info()).ready).toBe(6);
    await job.consume();
    await until(async () => seen.length === 6 && (await job.count()) === 0);
    expect(seen.sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("whose due time is no number is not asked for again and again", async () => {
    const file = newFile();
    const broker = sqlite({ file });
    closers.push(() => broker.close());
    const queue = await broker.open({ queue: "q", options: {}, leaseMs: 1_000 });
    const execute = raw(file);
    for (const due of ["'soon'", "X'00'"])
      execute(`insert into funboost_message (queue, id, rank, due, attempt, published_at, body)
        select queue, ${due}, 0, ${due}, 1, 1, '{}' from funboost_queue`);
    const asked = await news(file, 300, async () => {
      const consumer = await queue.consume(async () => ({ outcome: "done" }), {
        signal: false,
        onSettled: () => {},
        onError: () => {},
      });
      consumer.setWindow(5);
    });
    expect(asked).toBeLessThan(5);
    expect(await queue.count?.()).toEqual({ ready: 0, delayed: 2, running: 0 });
  });

  it("is listed and cancelled beside such rows", async () => {
    const file = newFile();
    const broker = sqlite({ file });
    closers.push(() => broker.close());
    const queue = await broker.open({ queue: "q", options: {}, leaseMs: 1_000 });
    const execute = raw(file);
    execute(row("q", "'a'", invalid));
    execute(row("q", "X'62FF'", "X'00'"));
    await queue.publish([{ id: "c", body: {} }]);
    expect(await queue.peek?.(10)).toEqual([
      { id: "a", body: "X'7B226E223A22FF227D'" },
      { id: "b\ufffd", body: "X'00'" },
      { id: "c", body: "{}" },
    ]);
    expect(await queue.cancel?.(["a", "b", "c"])).toEqual(["a", "c"]);
  });
});

describe("a store's", () => {
  function open(): { store: Store; execute: ReturnType<typeof raw> } {
    const file = newFile();
    const store = sqliteStore({ file });
    closers.push(() => store.close());
    return { store, execute: raw(file) };
  }
  const far = "9e15";
  const odd = ["cast(X'61FF' as text)", "X'61FF'"];

  it("values, lists and leases are read, whatever bytes they hold", async () => {
    const { store, execute } = open();
    await store.set([{ key: "good", value: "1" }]);
    for (const [i, each] of odd.entries()) {
      execute(`insert into funboost_value (key, value) values ('v${i}', ${each}), (${each}, 'x')`);
      execute(`insert into funboost_list (key, next) values ('l${i}', 1)`);
      execute(`insert into funboost_list_item (key, n, item) values ('l${i}', 0, ${each})`);
      execute(`insert into funboost_lease (name, owner, expires) values ('n${i}', ${each}, ${far})`);
      execute(`insert into funboost_rate (key, next, expires) values ('r${i}', ${each}, ${far})`);
      expect(await store.get(["good", `v${i}`])).toEqual(["1", "a\ufffd"]);
      expect(await store.list.read(`l${i}`, 0, 10)).toEqual(["a\ufffd"]);
      expect(await store.lease(`n${i}`, "me", 1_000)).toBeNull();
      expect(await store.increment([{ key: `v${i}`, by: 2 }])).toEqual([2]);
      const { starts } = await store.reserve(`r${i}`, { perMs: 10, places: 1, count: 1, slackMs: 20 });
      expect(starts.map(({ waitMs }) => waitMs)).toEqual([0]);
    }
  });

  it("rates go on beside a row of starts that is none", async () => {
    const { store, execute } = open();
    const row = { perMs: 10, places: 3, count: 1, slackMs: 4 };
    for (const [i, each] of ["{no json", "5", "null", "[]", '{"moved":7}', '{"moved":[7]}', "{}"].entries()) {
      await store.reserve(`r${i}`, row);
      execute(`update funboost_value set value = '${each}' where key = 'row:r${i}'`);
      for (let n = 0; n < 5; n++) expect((await store.reserve(`r${i}`, row)).starts).toHaveLength(1);
    }
  });

  it("timers, results and notices pass such rows by", async () => {
    const { store, execute } = open();
    const notices: string[] = [];
    await store.subscribe("c", (text) => void notices.push(text));
    const waiting = store.results.wait("q", "good", AbortSignal.timeout(10_000));
    for (const [i, each] of odd.entries()) {
      execute(`insert into funboost_timer (queue, id, due, leased, payload) values ('q', 't${i}', 1, 0, ${each})`);
      execute(`insert into funboost_result (queue, id, outcome, expires) values ('q', 'r${i}', ${each}, ${far})`);
      execute(`insert into funboost_result (queue, id, outcome, expires) values ('q', ${each}, '{}', ${far})`);
      execute(`insert into funboost_notice (channel, text, at) values (${each}, ${each}, ${far})`);
    }
    await store.timers.add([{ queue: "q", id: "good", dueInMs: 0, payload: "{}" }]);
    await store.results.put("q", [{ id: "good", outcome: "{}", ttlMs: 60_000 }]);
    await store.notify("c", "hello");
    const { entries } = await store.timers.lease(["q"], { limit: 10, ttlMs: 60_000 });
    expect(entries.map(({ id, payload }) => [id, payload])).toEqual([
      ["t0", "a\ufffd"],
      ["t1", "a\ufffd"],
      ["good", "{}"],
    ]);
    expect(await store.results.get("q", ["r0", "r1", "good"])).toEqual(["a\ufffd", "a\ufffd", "{}"]);
    expect(await waiting).toBe("{}");
    await until(() => notices.includes("hello"));
    await store.timers.ack(entries);
    expect(await store.timers.count(["q"])).toEqual([0]);
  });

  it("timers whose ids cannot be named are put off, and keep none of the others", async () => {
    const { store, execute } = open();
    await store.timers.count(["q"]); // the tables are there
    for (const each of odd)
      execute(`insert into funboost_timer (queue, id, due, leased, payload) values ('q', ${each}, 1, 0, '{}')`);
    const good = ["good", "\ufffd"];
    await store.timers.add(good.map((id) => ({ queue: "q", id, dueInMs: 0, payload: "{}" })));
    expect((await store.timers.lease(["q"], { limit: 2, ttlMs: 60_000 })).entries).toEqual([]);
    const { entries, nextDueMs } = await store.timers.lease(["q"], { limit: 10, ttlMs: 60_000 });
    expect(entries.map(({ id }) => id)).toEqual(good);
    expect(nextDueMs).toBeGreaterThan(1_000);
  });
});
