/** The store on PostgreSQL: what is called in one tick is one statement, over one connection a process. */
import { repeat } from "../../src/base/clock.ts";
import { describe, FunboostError } from "../../src/base/errors.ts";
import { readStored } from "../../src/base/json.ts";
import type { Results, Store } from "../../src/contract/index.ts";
import { checkNames } from "../shared/check-names.ts";
import { type RowState, reserveInRow } from "../shared/start-row.ts";
import { unreadable, withoutSecrets } from "../shared/urls.ts";
import { type Batches, createBatches } from "./batches.ts";
import { defaultUrl, explainPostgres, openPool, type PgPool } from "./connection.ts";
import { createNotices } from "./notices.ts";
import { createIndex, createLists, createMaps, createTimers, keyLocks, leaseLock } from "./parts.ts";
import { createSchema, describeSchema, type Schema } from "./schema.ts";
import { createWaits, type Waits } from "./waits.ts";

export interface PostgresStoreOptions {
  /** @default "postgres://127.0.0.1:5432/postgres" */
  readonly url?: string | undefined;
  /** A pool of `pg` of your own, with two free connections: it is used, and never closed. */
  readonly pool?: object;
  /** The schema that holds its tables; made where it is missing. @default "funboost" */
  readonly schema?: string;
}

const pruneMs = 30_000;
const longestSchema = 50; // a channel's name has 63 bytes

/**
 * Shared state on PostgreSQL 13 or later.
 *
 * @example
 * configure({ store: postgresStore({ url: "postgres://127.0.0.1:5432/app" }) });
 */
export function postgresStore(options: PostgresStoreOptions = {}): Store {
  checkOptions(options);
  const source = createSource(options, describeSchema(options.schema ?? "funboost"));
  const batches = explainedBatches(source);
  const { call } = batches;
  const { notices, waits } = createNews(source, batches);
  return {
    format: 2,
    name: "postgres",
    scope: "shared",
    durable: true,
    now: () => call("now", []),
    ...createValues(batches),
    ...createLimits(batches),
    timers: createTimers(call),
    list: createLists(call),
    map: createMaps(call),
    index: createIndex(call),
    notify: async (channel, text) => void (await call("notify", [channel, text])),
    subscribe: (channel, listener, onSwitch) => source.explained(notices.subscribe(channel, listener, onSwitch)),
    results: createResults(call, waits),
    async close() {
      waits.close();
      notices.close();
      await batches.idle();
      await source.close();
    },
  };
}

function explainedBatches({ open, explained }: Source): Batches {
  const raw = createBatches(open);
  return {
    ...raw,
    call: (name, args, locks) => explained(raw.call(name, args, locks)),
    step: (step) => explained(raw.step(step)),
  };
}

function createNews({ open }: Source, batches: Batches) {
  const waits: Waits = createWaits(
    batches,
    () => notices.heard(),
    () => notices.start(),
  );
  const notices = createNotices({ open, batches, onResults: waits.onResults, onBack: () => waits.onResults() });
  return { notices, waits };
}

function checkOptions(options: PostgresStoreOptions): void {
  checkNames("postgres", options, ["url", "pool", "schema"], "postgresStore()");
  const { url, pool, schema } = options;
  const refuse = (text: string) => new FunboostError("BAD_OPTION", text, { where: "postgres" });
  if (url !== undefined && pool !== undefined) throw refuse('takes "url" or "pool", not both.');
  if (url !== undefined && !(typeof url === "string" && /^postgres(ql)?:\/\/./.test(url)))
    throw refuse(`url must begin with postgres:// or postgresql://, got ${describe(url)}.`);
  if (url !== undefined && !URL.canParse(url)) throw refuse(unreadable);
  if (pool !== undefined && typeof (pool as Partial<PgPool> | null)?.connect !== "function")
    throw refuse(`pool must be a Pool of "pg", got ${describe(pool)}.`);
  if (
    schema !== undefined &&
    !(typeof schema === "string" && schema.length <= longestSchema && /^[a-z_]\w*$/i.test(schema))
  )
    throw refuse(`schema must be a name of letters, digits and _, at most ${longestSchema}, got ${describe(schema)}.`);
}

type Source = ReturnType<typeof createSource>;

/** Opened at the first use, and again after it was closed. */
function createSource({ url = defaultUrl, pool: given }: PostgresStoreOptions, schema: Schema) {
  const address = given ? "the given pool" : withoutSecrets(url);
  let opening: Promise<{ pool: PgPool; schema: Schema; close(): Promise<void> }> | undefined;
  async function begin() {
    const pool = given ? (given as PgPool) : await openPool(url);
    const end = async () => void (given ?? (await pool.end()));
    try {
      await createSchema(pool, schema);
    } catch (error) {
      await end();
      throw error;
    }
    const stopPruning = repeat(
      pruneMs,
      () => prune(pool, schema),
      () => {}, // the next turn does it
    );
    const close = async () => {
      await stopPruning();
      await end();
    };
    return { pool, schema, close };
  }
  return {
    open: () =>
      (opening ??= begin().catch((error: unknown) => {
        opening = undefined;
        throw error;
      })),
    async close() {
      const found = opening;
      opening = undefined;
      await (await found?.catch(() => undefined))?.close();
    },
    explained: <T>(work: Promise<T>) => work.catch((error: unknown) => Promise.reject(explainPostgres(error, address))),
  };
}

async function prune(pool: PgPool, { prunes }: Schema): Promise<void> {
  for (const statement of prunes) while (((await pool.query(statement)).rowCount ?? 0) > 0);
}

function createValues({ call }: Batches): Pick<Store, "get" | "set" | "delete" | "increment" | "expire"> {
  return {
    async expire(keys) {
      const rows = keys.map(({ key, ttlMs }) => [key, ttlMs]);
      await call("expire", rows, keyLocks(keys));
    },
    get: async (keys) => (await call<(string | null)[]>("get", keys)).map((value) => value ?? undefined),
    set: (entries) =>
      call(
        "set",
        entries.map(({ key, value, ttlMs, if: condition }) =>
          typeof condition === "object"
            ? [key, value, ttlMs, "equals", condition.equals]
            : [key, value, ttlMs, condition],
        ),
        keyLocks(entries),
      ),
    delete: async (keys) => void (await call("delete", keys, keyLocks(keys.map((key) => ({ key }))))),
    increment: async (counters) => {
      const rows = counters.map(({ key, by, ttlMs }) => [key, by, ttlMs]);
      return (await call<string[]>("increment", rows, keyLocks(counters))).map(Number);
    },
  };
}

function createLimits({ call, step }: Batches): Pick<Store, "reserve" | "lease" | "release"> {
  return {
    reserve: (key, row) =>
      step({
        read: { name: "rates", args: [key], locks: [`r${key}`] },
        work(read) {
          const [now, [kept]] = read as [number, [string | null]];
          const { state, reservation, endsAt } = reserveInRow(stateOf(kept), row, now);
          return {
            write: { name: "put_rates", args: [[key, JSON.stringify(state), endsAt]] },
            answer: reservation,
          };
        },
      }),
    async lease(name, owner, ttlMs, term) {
      const fence = await call<number | null>("lease", [name, owner, ttlMs, term], [leaseLock(name)]);
      return typeof fence === "number" ? { fence } : null;
    },
    release: async (name, owner) => void (await call("release", [name, owner], [leaseLock(name)])),
  };
}

/** What others have spoilt there counts as none. */
function stateOf(text: string | null): RowState | undefined {
  const state = readStored<Partial<RowState> | null>(text ?? undefined);
  if (!Number.isFinite(state?.next) || !Number.isSafeInteger(state?.number) || !Number.isFinite(state?.last))
    return undefined;
  return Array.isArray(state?.moved) ? (state as RowState) : undefined;
}

function createResults(call: Batches["call"], waits: Waits): Results {
  return {
    async put(queue, results) {
      if (results.length === 0) return;
      // In one order, so that no two processes wait for each other.
      const rows = results.map(({ id, outcome, ttlMs, publishedAt }) => [id, outcome, ttlMs, publishedAt] as const);
      await call("put_results", [queue, rows.toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))]);
    },
    get: async (queue, ids) => {
      const found = await call<(string | null)[]>("get_results", [queue, ids]);
      return found.map((value) => value ?? undefined);
    },
    delete: async (queue, ids) => void (await call("drop_results", [queue, ids])),
    wait: Object.assign(waits.wait, { hear: waits.hear }),
  };
}
