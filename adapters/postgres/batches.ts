/** Calls of one tick as one statement, in their order; what is called meanwhile is the next one. */
import { queueMicrotask, sleep } from "../../src/base/clock.ts";
import { FunboostError } from "../../src/base/errors.ts";
import type { PgClient, PgPool } from "./connection.ts";
import type { Schema } from "./schema.ts";
import { decode, encode } from "./text.ts";

const mostCalls = 1_000;
const mostCharacters = 4_000_000;
/** A deadlock, a change that another transaction has made meanwhile. */
const again = /^(40P01|40001)$/;
const mostTries = 6;

export interface AskedCall {
  readonly name: string;
  readonly args: unknown;
  /** What it changes, so that nobody else does meanwhile. */
  readonly locks?: readonly string[];
}

interface Waiting {
  readonly text: string;
  readonly locks: readonly string[];
  /** Needs a step of its own, in a transaction that it ends itself. */
  readonly step?: Step | undefined;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/** Reads what it needs, and says what is to be written and what it answers. */
export interface Step {
  readonly read: AskedCall;
  work(read: unknown): { readonly write: AskedCall; readonly answer: unknown };
}

export interface Batches {
  call<T>(name: string, args: unknown, locks?: readonly string[]): Promise<T>;
  step<T>(step: Step): Promise<T>;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

export function createBatches(open: () => Promise<{ readonly pool: PgPool; readonly schema: Schema }>): Batches {
  const waiting: Waiting[] = [];
  let draining: Promise<void> | undefined;
  async function drain(): Promise<void> {
    await new Promise<void>((resolve) => queueMicrotask(resolve)); // the tick's others
    while (waiting.length > 0) await run(open, takeBatch(waiting));
    draining = undefined;
  }
  const add = <T>(text: string, locks: readonly string[], step?: Step) =>
    new Promise<T>((resolve, reject) => {
      waiting.push({ text, locks, step, resolve: (answer) => resolve(answer as T), reject });
      draining ??= drain();
    });
  return {
    call: (name, args, locks = []) => add(encode([name, args]), locks),
    step: (step) => add(encode([step.read.name, step.read.args]), step.read.locks ?? [], step),
    idle: async () => void (await draining),
  };
}

/** Steps are alone: each has a transaction of its own. */
function takeBatch(waiting: Waiting[]): readonly Waiting[] {
  let size = 0;
  let count = 0;
  for (const { text, step } of waiting) {
    if (count > 0 && (step || size + text.length > mostCharacters || count >= mostCalls)) break;
    size += text.length;
    count += 1;
    if (step) break;
  }
  return waiting.splice(0, count);
}

async function run(open: Parameters<typeof createBatches>[0], batch: readonly Waiting[]): Promise<void> {
  try {
    const { pool, schema } = await open();
    const step = batch[0]?.step;
    const answers = await persist(() => (step ? runStep(pool, schema, batch, step) : runCalls(pool, schema, batch)));
    batch.forEach(({ resolve }, i) => void resolve(answers[i] ?? undefined));
  } catch (error) {
    // One of them is at fault, and nothing of it happened: each gets its own answer.
    if (batch.length > 1 && /^(22|23|P0|54)/.test(codeOf(error))) for (const each of batch) await run(open, [each]);
    else for (const { reject } of batch) reject(error);
  }
}

const codeOf = (error: unknown) => String((error as { code?: unknown }).code ?? "");

async function persist<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries >= mostTries || !again.test(codeOf(error))) throw error;
      await sleep(Math.random() * 10 * tries, { unref: true });
    }
  }
}

const locksOf = (batch: readonly Waiting[]) => encode([...new Set(batch.flatMap(({ locks }) => locks))]);
const callsOf = (batch: readonly Waiting[]) => `[${batch.map(({ text }) => text).join(",")}]`;

async function runCalls(pool: PgPool, { callSql }: Schema, batch: readonly Waiting[]): Promise<readonly unknown[]> {
  const values = [locksOf(batch), callsOf(batch)];
  const { rows } = await pool.query(`select ${callSql}($1::jsonb, $2::jsonb)::text as answers`, values);
  return answersOf(rows);
}

function answersOf(rows: readonly Readonly<Record<string, unknown>>[] | undefined): readonly unknown[] {
  const text = rows?.[0]?.answers;
  if (typeof text !== "string") throw new FunboostError("STORE", "PostgreSQL gave no answer.", { where: "postgres" });
  return decode(text) as unknown[];
}

/** Two round trips. */
async function runStep(pool: PgPool, schema: Schema, batch: readonly Waiting[], step: Step) {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    const read = await begin(client, schema, batch);
    const { write, answer } = step.work(read);
    await commit(client, schema, encode([[write.name, write.args]]));
    return [answer];
  } catch (error) {
    broken = error as Error;
    throw error;
  } finally {
    // One that failed may have its transaction open.
    client.release(broken);
  }
}

/** Several statements at once take no parameters. */
const literals = (client: PgClient, texts: readonly string[]) =>
  texts.map((text) => `${client.escapeLiteral(text)}::jsonb`).join(", ");

type Several = readonly { readonly rows: readonly Readonly<Record<string, unknown>>[] }[];

async function begin(client: PgClient, { callSql }: Schema, batch: readonly Waiting[]): Promise<unknown> {
  // Who starts after a crash of the server starts later than what it may forget.
  const text = `begin isolation level read committed; set local synchronous_commit = off;
    select ${callSql}(${literals(client, [locksOf(batch), callsOf(batch)])})::text as answers`;
  const results = (await client.query(text)) as unknown as Several;
  return answersOf(results.at(-1)?.rows)[0];
}

async function commit(client: PgClient, { callSql }: Schema, calls: string): Promise<void> {
  await client.query(`select ${callSql}('[]'::jsonb, ${literals(client, [calls])}); commit`);
}
