/** What only the store on PostgreSQL can get wrong; what all stores promise is in test/project/stores.test.ts. */
import { Pool } from "pg";
import { afterAll, describe, expect, it, vi } from "vitest";
import { agenda } from "../../../adapters/agenda/broker.ts";
import { memoryStore } from "../../../adapters/memory/store.ts";
import type { PgPool } from "../../../adapters/postgres/connection.ts";
import { describeSchema } from "../../../adapters/postgres/schema.ts";
import { postgresStore } from "../../../adapters/postgres/store.ts";
import { decode, encode } from "../../../adapters/postgres/text.ts";
import { sleep } from "../../../src/base/clock.ts";
import type { Store } from "../../../src/contract/index.ts";
import { dropSchemas } from "../../support/drop-schemas.ts";
import { serviceFor, startPrivate } from "../../support/services.ts";

const service = await serviceFor("postgres");
const url = service.settings?.POSTGRES_URL ?? "";
const run = `own${process.pid}${Date.now().toString(36)}`;
const opened: (Store | PgPool)[] = [];
const roles: string[] = [];
let counter = 0;
const newSchema = () => `${run}_${counter++}`;

function open(schema: string, how: { url?: string; pool?: object } = { url }): Store {
  const store = postgresStore({ ...how, schema });
  opened.push(store);
  return store;
}

function openPool(connectionString = url): PgPool {
  const pool = new Pool({ connectionString });
  pool.on("error", () => {});
  opened.push(pool);
  return pool;
}

afterAll(async () => {
  for (const each of opened) await ("end" in each ? each.end() : each.close());
  if (url) await dropSchemas(url, run, roles);
  await service.stop();
});

it("writes any text so that it keeps its order and its beginning", () => {
  const texts = [
    "",
    "\u0000",
    "\u0000a",
    "\u0001",
    "\u0001\u0000",
    "\u0002",
    "a\\u0000",
    "a\\\u0000",
    'a"\u0001',
    "日",
  ];
  for (const text of texts) expect(decode(encode(text))).toBe(text);
  const kept = texts.map((text) => JSON.parse(encode(text)) as string);
  expect(kept.toSorted()).toEqual(texts.toSorted().map((text) => JSON.parse(encode(text))));
  expect(decode(encode("half \ud800"))).toBe("half \ufffd");
  expect(kept.join("")).not.toContain("\u0000");
});

it("refuses what is no url, pool or schema, with what is allowed", () => {
  const bad = [{ url: "redis://x" }, { pool: {} }, { url, pool: {} }, { schema: "a;b" }, { schema: "" }, { host: "x" }];
  for (const options of bad)
    expect(() => postgresStore(options), JSON.stringify(options)).toThrow(/BAD_OPTION|postgres/);
});

describe.skipIf(service.unavailable !== undefined && !process.env.REQUIRED_SERVICES?.includes("postgres"))(
  "the store on PostgreSQL",
  () => {
    it("is made once, however many start at the same time", async () => {
      const schema = newSchema();
      const stores = Array.from({ length: 8 }, () => open(schema));
      const sums = await Promise.all(stores.map((store) => store.increment([{ key: "n", by: 1 }])));
      expect(sums.flat().sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });
    it("says what to run where it may not make its schema, and works when that was run", async () => {
      const schema = newSchema();
      const admin = openPool();
      await admin.query(`create role ${schema} login`);
      roles.push(schema);
      const theirs = new URL(url);
      theirs.username = schema;
      const error = await open(schema, { url: theirs.href })
        .now()
        .then(String, (reason: Error & { code?: string }) => reason);
      expect(error).toMatchObject({ code: "BROKER_REFUSED" });
      const { ddl } = describeSchema(schema);
      expect((error as Error).message).toContain(ddl);
      await admin.query(ddl);
      await admin.query(`grant usage on schema ${schema} to ${schema}`);
      for (const kind of ["tables", "sequences"])
        await admin.query(`grant all on all ${kind} in schema ${schema} to ${schema}`);
      const store = open(schema, { url: theirs.href });
      expect(await store.set([{ key: "a", value: "1" }])).toEqual([true]);
      expect(await store.lease("l", "me", 1_000)).toEqual({ fence: 1 });
    });
    it("is what Agenda on PostgreSQL keeps its results in, unless another is configured or it may not", async () => {
      const role = `${run}_agenda`;
      const admin = openPool();
      const broker = agenda({ url });
      const given = memoryStore();
      expect(await broker.store?.(given)).toBe(given);
      expect((await broker.store?.())?.name).toBe("postgres");
      await broker.close();
      await admin.query(`create role ${role} login`);
      roles.push(role);
      const theirs = new URL(url);
      theirs.username = role;
      const refused = agenda({ url: theirs.href });
      expect(await refused.store?.()).toBeUndefined();
      await refused.close();
    });
    it("rejects what is written while its server is down, and goes on when it is up again", async () => {
      const own = await startPrivate("postgres", { durable: true });
      const store = open(newSchema(), { url: own.settings?.POSTGRES_URL ?? "" });
      await store.set([{ key: "a", value: "1" }]);
      await own.kill();
      await expect(store.set([{ key: "b", value: "1" }])).rejects.toMatchObject({ code: "BROKER_DOWN" });
      await expect(store.get(["a"])).rejects.toMatchObject({ code: "BROKER_DOWN" });
      await own.restart();
      expect(await store.set([{ key: "b", value: "2", if: "absent" }])).toEqual([true]);
      expect(await store.get(["a", "b"])).toEqual(["1", "2"]);
      await store.close();
      await own.stop();
    }, 30_000);
    it("uses a pool of the user's, and does not close it", async () => {
      const pool = openPool();
      const store = open(newSchema(), { pool });
      await store.set([{ key: "a", value: "1" }]);
      const heard = vi.fn();
      await store.subscribe("c", heard);
      await store.notify("c", "x".repeat(20_000)); // more than a notice holds
      await vi.waitFor(() => expect(heard).toHaveBeenCalledWith("x".repeat(20_000)), 2_000);
      await store.close();
      expect((await pool.query("select 1 as n")).rows).toEqual([{ n: 1 }]);
    });
    it("does not fail where many change the same keys in other orders", async () => {
      const schema = newSchema();
      const stores = [open(schema), open(schema)];
      const keys = Array.from({ length: 40 }, (_, n) => `k${n}`);
      const count = async (store: Store, order: readonly string[]) => {
        for (let n = 0; n < 10; n++) await Promise.all(order.map((key) => store.increment([{ key, by: 1 }])));
      };
      await Promise.all(stores.map((store, i) => count(store, i ? keys : keys.toReversed())));
      expect(new Set(await stores[0]?.get(keys))).toEqual(new Set(["20"]));
    });
    it("answers the others of a tick where one call fails", async () => {
      const store = open(newSchema());
      const [, sum, value] = await Promise.allSettled([
        store.set([{ key: "a", value: "no number" }]),
        store.increment([{ key: "a", by: 1 }]),
        store.get(["a"]),
      ]);
      expect([sum?.status, value]).toEqual(["rejected", { status: "fulfilled", value: ["no number"] }]);
    });
    it("comes back after its connections were cut: calls, notices and waits", async () => {
      const store = open(newSchema());
      const heard = vi.fn();
      const onSwitch = vi.fn();
      await store.subscribe("c", heard, onSwitch);
      const waiting = store.results.wait("q", "1", AbortSignal.timeout(10_000));
      await sleep(50);
      await service.disrupt?.();
      await vi.waitFor(() => expect(onSwitch.mock.calls).toEqual([["poll"], ["notices"]]), 5_000);
      await vi.waitFor(() => store.notify("c", "back"), 5_000);
      await store.results.put("q", [{ id: "1", outcome: "out", ttlMs: 10_000 }]);
      expect(await waiting).toBe("out");
      await vi.waitFor(() => expect(heard).toHaveBeenCalledWith("back"), 2_000);
    });
    it("polls where notices do not come through, and says so once", async () => {
      const pool = openPool();
      const deaf: object = {
        on: () => pool,
        query: pool.query.bind(pool),
        async connect() {
          const client = await pool.connect();
          const query = client.query.bind(client);
          return Object.assign(Object.create(client), {
            query: (text: string, values?: readonly unknown[]) =>
              query(text.startsWith("listen") ? "select 1" : text, values),
          });
        },
      };
      const store = open(newSchema(), { pool: deaf });
      const onSwitch = vi.fn();
      await store.subscribe("c", () => {}, onSwitch);
      await vi.waitFor(() => expect(onSwitch.mock.calls).toEqual([["poll"]]), 1_000);
      const waiting = store.results.wait("q", "1", AbortSignal.timeout(3_000));
      await store.results.put("q", [{ id: "1", outcome: "out", ttlMs: 10_000 }]);
      expect(await waiting).toBe("out");
    });
    it("removes what has expired, in steps", async () => {
      const schema = newSchema();
      const store = open(schema);
      await store.set(Array.from({ length: 1_500 }, (_, n) => ({ key: `k${n}`, value: "1", ttlMs: 1 })));
      await store.map.put([{ key: "m", fields: [["f", "1"]], ttlMs: 1 }]);
      await store.list.append([
        { key: "l", items: ["1", "2"], ttlMs: 1 },
        { key: "stays", items: ["1"] },
      ]);
      await sleep(10);
      const pool = openPool();
      for (const statement of describeSchema(schema).prunes)
        for (let removed = 1; removed > 0; ) {
          removed = (await pool.query(statement)).rowCount ?? 0;
          expect(removed).toBeLessThanOrEqual(1_000);
        }
      const left = async (table: string) => (await pool.query(`select * from ${schema}.${table}`)).rows.length;
      expect(await Promise.all(["value", "map", "map_field", "list", "list_item"].map(left))).toEqual([0, 0, 0, 1, 1]);
    });
  },
);
