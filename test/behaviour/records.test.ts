/** The table of docs/controls.md, filled by onRecord on a real PostgreSQL. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { boost, configure, shutdown, type TaskRow } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterAll, expect, it } from "vitest";
import { serviceFor } from "../support/services.ts";

interface Client {
  connect(): Promise<void>;
  query(sql: string, values?: readonly unknown[]): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
  end(): Promise<void>;
}

// The driver of the PostgreSQL backend that the tests of Agenda use.
const require = createRequire(createRequire(import.meta.url).resolve("@agendajs/postgres-backend"));
const { Client } = require("pg") as { readonly Client: new (options: { readonly connectionString: string }) => Client };

configure({ signals: false, log: { level: "silent" } });
const service = await serviceFor("postgres");
afterAll(async () => {
  await shutdown({ grace: 500 });
  await service.stop();
});

/** As it stands in the docs. */
const [, sql = ""] =
  /```sql\n(create table task_row[\s\S]*?)```/.exec(
    readFileSync(new URL("../../docs/controls.md", import.meta.url), "utf8"),
  ) ?? [];
const at = (ms: number | undefined) => (ms === undefined ? null : new Date(ms));
const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value));

function writer(db: Client) {
  return ({ queue, id, status, args, result, error, attempts, publishedAt, startedAt, endedAt, host, pid }: TaskRow) =>
    db.query(
      `insert into task_row values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
       on conflict (queue, id) do update set status = excluded.status, result = excluded.result, error = excluded.error, attempts = excluded.attempts,
         published_at = excluded.published_at, started_at = excluded.started_at, ended_at = excluded.ended_at, host = excluded.host, pid = excluded.pid
       where task_row.published_at is distinct from excluded.published_at`,
      [
        queue,
        id,
        status,
        args,
        json(result),
        error ? JSON.stringify({ name: error.name, message: error.message }) : null,
        attempts,
        at(publishedAt),
        at(startedAt),
        at(endedAt),
        host,
        pid,
      ],
    );
}

it.skipIf(service.unavailable)(
  `onRecord fills a table of one's own${service.unavailable ? `: ${service.unavailable}` : ""}`,
  async () => {
    const db = new Client({ connectionString: service.settings?.POSTGRES_URL ?? "" });
    await db.connect();
    try {
      await db.query(sql.replace("create table", "create temporary table"));
      const onRecord = writer(db);
      const task = boost(
        { queue: "table", broker: memory(), rpc: true, maxRetries: 1, backoff: 0, onRecord },
        (name: string) => {
          if (name === "bad") throw new RangeError("no luck");
          return { hello: name };
        },
      );
      await task.consume();
      const handles = await task.pushMany([["anna"], ["bad"]]);
      await Promise.allSettled(handles.map((handle) => handle.waitResult()));
      const delayed = await task.publish(["late"], { delay: "1h" });
      await delayed.cancel();
      const { rows } = await db.query(
        "select id, status, args, result, error, attempts, ended_at >= started_at as after, pid from task_row order by args desc",
      );
      expect(rows).toEqual([
        {
          id: handles[1]?.id,
          status: "failed",
          args: '["bad"]',
          result: null,
          error: { name: "RangeError", message: "no luck" },
          attempts: 2,
          after: true,
          pid: process.pid,
        },
        {
          id: handles[0]?.id,
          status: "done",
          args: '["anna"]',
          result: { hello: "anna" },
          error: null,
          attempts: 1,
          after: true,
          pid: process.pid,
        },
        {
          id: delayed.id,
          status: "cancelled",
          args: "",
          result: null,
          error: null,
          attempts: 0,
          after: null,
          pid: process.pid,
        },
      ]);
      const end = { ...(await handles[0]?.waitRecord()), args: '["anna"]' } as TaskRow;
      const ends = () =>
        db
          .query("select attempts, (select count(*)::int from task_row) as n from task_row where id = $1", [end.id])
          .then(({ rows: [row] }) => row);
      await onRecord({ ...end, attempts: 5 }); // a redelivered task ends twice
      expect(await ends()).toEqual({ attempts: 1, n: 3 });
      await onRecord({ ...end, attempts: 6, publishedAt: (end.publishedAt ?? 0) + 1 }); // published again under its id
      expect(await ends()).toEqual({ attempts: 6, n: 3 });
    } finally {
      await db.end();
    }
  },
);
