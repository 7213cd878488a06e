/**
 * The README's table of what each broker does itself and what is done around it, from what the adapters declare.
 * `--check` fails when the README differs, without writing.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { catalog } from "../adapters/catalog.ts";
import { memoryStore } from "../adapters/memory/store.ts";
import { postgresStore } from "../adapters/postgres/store.ts";
import type { Broker, Features, Store } from "../src/contract/index.ts";
import { emulate, supportOf } from "../src/setup/features.ts";
import type { CaseName } from "../test/conformance/index.ts";

const start = "<!-- brokers:start -->";
const end = "<!-- brokers:end -->";

/** Row headings, in the table's order. All features are here: a new one does not compile until it has its heading. */
const headings = {
  ids: "own task ids",
  delay: "delay",
  priority: "priority",
  retry: "retries",
  ahead: "children first",
  pause: "pause",
  results: "results (`rpc`)",
  durable: "survives restarts",
  redelivers: "redelivers after a crash",
  ordered: "keeps order",
  exactCount: "exact count",
  broadcast: "broadcast",
} satisfies Record<keyof Features, string>;

/**
 * What is never the engine's own, and what it takes: nothing, a store, or a feature of the engine. The test calls
 * each.
 */
export const controls = {
  "`concurrency` `qps` `pool` `timeout` `expireAfter` `use` `input`": "nothing",
  "dead letters, `redrive()`": "nothing",
  '`qpsScope: "global"`': "store",
  "`setQps()` `setConcurrency()`": "store",
  "`filter`": "store",
  "`cancel()` of what runs": "store",
  "`record` `info()` `stats()`": "store",
  "`fct.progress()`": "store",
  "`withLock()`": "store",
  "`waitIdle()`": "exactCount",
} satisfies Record<string, "nothing" | "store" | keyof Features>;

/**
 * Controls that no engine has a part in, and the cases that prove each: once for each store, so that a cell names the
 * run.
 */
export const byStore = {
  '`qpsScope: "global"`': ["a store that fails: a global qps starts nothing, and is not exceeded afterwards"],
  "`withLock()`": ["a store that fails: a lock is held by one, lost at its ttl, and free afterwards"],
} satisfies { readonly [Control in keyof typeof controls]?: readonly CaseName[] };

const names = Object.keys(headings) as (keyof Features)[];

/** Every broker of the catalog, made without connecting. */
export async function catalogBrokers(): Promise<readonly Broker[]> {
  const factories = await Promise.all(Object.values(catalog).map((load) => load()));
  return factories.map((create) => create());
}

/**
 * Native where the engine does it, emulated where funboost does; "with a store" where that needs one which the broker
 * has not. In brackets: the run of the kit that proved what was proved over a store, and not on each engine.
 */
export async function tableOf(brokers: readonly Broker[]): Promise<string> {
  const columns = await Promise.all(brokers.map(columnOf));
  const rows = [...names.map((name) => headings[name]), ...Object.keys(controls)];
  const lines = [
    ["", ...brokers.map(({ name }) => `\`${name}\``)],
    ["---", ...brokers.map(() => "---")],
    ...rows.map((heading, i) => [heading, ...columns.map((column) => column[i])]),
  ];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

async function columnOf(broker: Broker): Promise<readonly string[]> {
  const support = (store: Store | undefined) => supportOf(broker.features, emulate(broker, store).features, store);
  const [own, given] = [support(broker.store && memoryStore()), support(memoryStore())];
  const features = names.map((name) => (own[name] === "no" && given[name] !== "no" ? "with a store" : own[name]));
  // Agenda's asks its server whether it may have one.
  const store = broker.name === "agenda" ? postgresStore() : await broker.store?.();
  await broker.close();
  const around = (Object.keys(controls) as (keyof typeof controls)[]).map((control) => {
    const needs: "nothing" | "store" | keyof Features = controls[control];
    if (needs !== "store") return needs === "nothing" || given[needs] !== "no" ? "emulated" : "no";
    const run = control in byStore ? ` (${store ? store.name : "each"} store)` : "";
    return `${store ? "emulated" : "with a store"}${run}`;
  });
  return [...features, ...around];
}

/** The README with the table between its marks. */
export function withTable(readme: string, table: string): string {
  const [from, to] = [readme.indexOf(start), readme.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md has no place for the table: put ${start} and ${end} into it.`);
  return `${readme.slice(0, from + start.length)}\n${table}\n${readme.slice(to)}`;
}

async function main(check: boolean): Promise<void> {
  const file = join(process.cwd(), "README.md");
  const readme = readFileSync(file, "utf8");
  const wanted = withTable(readme, await tableOf(await catalogBrokers()));
  if (wanted === readme) return console.log("README.md: the table is up to date.");
  if (!check) {
    writeFileSync(file, wanted);
    return console.log("README.md: the table was written.");
  }
  console.error("README.md: the table differs from what the adapters declare. Run: npm run table");
  process.exitCode = 1;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  await main(process.argv.includes("--check"));
