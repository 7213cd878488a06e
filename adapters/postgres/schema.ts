/** The schema of the PostgreSQL store: made at the first use, one process at a time, by addition only. */
import { FunboostError } from "../../src/base/errors.ts";
import { collectionFunctions } from "./collection-functions.ts";
import type { PgClient, PgPool } from "./connection.ts";
import { prunes, tables } from "./tables.ts";
import { valueFunctions } from "./value-functions.ts";

/** What is called in a function has its version in its name: another version goes on beside it. */
const version = "1";
const functions = { ...valueFunctions, ...collectionFunctions };

export interface Schema {
  readonly name: string;
  /** Of LISTEN and NOTIFY. */
  readonly channel: string;
  /** Parameters: names to lock, calls. Answers what each call returns. */
  readonly callSql: string;
  readonly prunes: readonly string[];
  /** What creates it. */
  readonly ddl: string;
}

export function describeSchema(name: string): Schema {
  const quoted = `"${name.replaceAll('"', '""')}"`;
  const channel = `funboost:${name}`;
  const fill = (text: string) => text.replaceAll("$S", () => quoted).replaceAll("$C", () => channel);
  return {
    name,
    channel,
    callSql: `${quoted}.call_${version}`,
    prunes: prunes.map(fill),
    ddl: `create schema if not exists ${quoted};\n${fill([tables, ...eachFunction(), caller].join("\n"))}`,
  };
}

const eachFunction = () =>
  Object.entries(functions).map(
    ([name, body]) =>
      `create or replace function $S.${name}_${version}(a jsonb) returns jsonb language plpgsql as $$ ${body} $$;`,
  );

/** Locks come first and sorted: no two batches wait for each other. */
const caller = `create or replace function $S.call_${version}(locks jsonb, calls jsonb) returns jsonb
language plpgsql as $$
declare c jsonb; r jsonb := '[]'; v jsonb; o text; n int; begin
  for n in select distinct hashtext(value) & 255 from jsonb_array_elements_text(locks) order by 1 loop
    perform pg_advisory_xact_lock(hashtext('$C'), n);
  end loop;
  for c in select value from jsonb_array_elements(calls) loop
    o := c->>0;
    ${Object.keys(functions)
      .map((name, i) => `${i > 0 ? "els" : ""}if o = '${name}' then v := $S.${name}_${version}(c->1);`)
      .join("\n    ")}
    else raise exception 'no call %', o;
    end if;
    r := r || jsonb_build_array(v);
  end loop;
  return r; end $$;`;

export async function createSchema(pool: PgPool, { callSql, ddl, name }: Schema): Promise<void> {
  const isThere = async (at: Pick<PgPool, "query">) =>
    (await at.query(`select to_regprocedure($1) is not null as there`, [`${callSql}(jsonb, jsonb)`])).rows[0]?.there ===
    true;
  if (await isThere(pool)) return;
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock(hashtext($1))", [`funboost ${name}`]);
    if (!(await isThere(client))) await client.query(await withoutExisting(client, name, ddl));
    await client.query("commit");
  } catch (error) {
    broken = error as Error;
    await client.query("rollback").catch(() => {});
    throw (error as { code?: string }).code === "42501" ? refused(name, ddl, error) : error;
  } finally {
    client.release(broken);
  }
}

/** Also where it is there already, `create schema` needs the right to create one. */
async function withoutExisting(client: PgClient, name: string, ddl: string): Promise<string> {
  const { rows } = await client.query("select 1 from pg_namespace where nspname = $1", [name]);
  return rows.length > 0 ? ddl.slice(ddl.indexOf("\n")) : ddl;
}

function refused(name: string, ddl: string, cause: unknown): Error {
  const text =
    `this user may not create the schema "${name}" and what is in it. Run this once, as one who may, ` +
    `and grant this user usage of the schema and all rights on its tables and sequences:\n${ddl}`;
  return new FunboostError("BROKER_REFUSED", text, { where: "postgres", cause });
}
