/** The README tells what the adapters declare, and the kit proves what they declare. */
import { readFileSync } from "node:fs";
import { boost, configure, publisher, shutdown, withLock } from "funboost";
import { memory } from "funboost/adapters/memory";
import { afterEach, describe, expect, it } from "vitest";
import { byStore, catalogBrokers, controls, tableOf, withTable } from "../../scripts/table.ts";
import type { Broker, Features } from "../../src/contract/index.ts";
import { definitionOptions, publisherOptions } from "../../src/define-task.ts";
import { resolveOptions } from "../../src/options/resolve.ts";
import type { TaskParams } from "../../src/options/task.ts";
import { optionNames } from "../../src/options/task-checks.ts";
import { allCases } from "../conformance/index.ts";

configure({ signals: false, log: { level: "silent" } });
afterEach(() => shutdown({ grace: 100 }));

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

describe("the table of brokers and features", () => {
  it("is in the README as the adapters declare it (npm run table writes it)", async () => {
    expect(readme).toBe(withTable(readme, await tableOf(await catalogBrokers())));
  });

  it("would differ if an adapter declared something else", async () => {
    const [first, ...others] = await catalogBrokers();
    if (!first) throw new Error("the catalog is empty");
    const changed = { ...first, features: { ...first.features, durable: !first.features.durable } };
    expect(await tableOf([changed, ...others])).not.toBe(await tableOf([first, ...others]));
  });

  it("says where its marks belong when the README has none", () => {
    expect(() => withTable("# no marks", "")).toThrow("<!-- brokers:start -->");
  });

  it("names a store's run only for what no case proves on an engine, and each run is there", async () => {
    const engineFree = allCases.filter(({ engine }) => engine === false).map(({ name }) => name);
    expect(engineFree).toEqual(expect.arrayContaining(Object.values(byStore).flat()));
    const named = new Set((await tableOf(await catalogBrokers())).match(/(?<=\()\w+ store(?=\))/g));
    named.delete("each store");
    expect(named.size).toBeGreaterThan(1);
    for (const run of named) {
      const file = `../adapters/${run.split(" ")[0]}/conformance.test.ts`;
      expect(readFileSync(new URL(file, import.meta.url), "utf8")).toMatch(`name: "${run}"`);
    }
  });

  it("holds nothing that no case proves", async () => {
    const proven = new Set(allCases.flatMap(({ feature, needs = [] }) => [...needs, ...(feature ? [feature] : [])]));
    for (const { name, features } of await catalogBrokers()) {
      const declared = (Object.keys(features) as (keyof Features)[]).filter((feature) => features[feature]);
      expect(
        declared.filter((feature) => !proven.has(feature)),
        name,
      ).toEqual([]);
    }
  });
});

type Control = keyof typeof controls;
let queues = 0;
const taskOn = (broker: Broker, params: Partial<TaskParams> = {}) =>
  boost({ queue: `table.${queues++}`, broker, ...params }, () => {});

/** One use of each control that needs something; all but the last two are told at the first use of the task. */
const uses: Readonly<
  Record<
    Exclude<Control, `dead letters${string}` | `\`concurrency\`${string}`>,
    readonly ((broker: Broker) => Promise<unknown>)[]
  >
> = {
  '`qpsScope: "global"`': [(broker) => taskOn(broker, { qps: 5, qpsScope: "global" }).push()],
  "`setQps()` `setConcurrency()`": [(broker) => taskOn(broker).setQps(5), (broker) => taskOn(broker).setConcurrency(5)],
  "`filter`": [(broker) => taskOn(broker, { filter: true }).push()],
  "`cancel()` of what runs": [
    (broker) =>
      taskOn({ ...broker, open: async (spec) => withoutCancel(await broker.open(spec)) })
        .handle("1")
        .cancel(),
  ],
  "`record` `info()` `stats()`": [
    (broker) => taskOn(broker, { record: true }).push(),
    (broker) => taskOn(broker).info(),
    (broker) => taskOn(broker).stats(),
    (broker) => taskOn(broker).records(),
  ],
  "`fct.progress()`": [(broker) => taskOn(broker).handle("1").progress()],
  "`withLock()`": [(broker) => withLock("table", { broker, wait: 0 }, () => {})],
  "`waitIdle()`": [(broker) => taskOn(broker).waitIdle({ timeout: "5s" })],
};

function withoutCancel<T extends object>(queue: T): T {
  return { ...queue, cancel: undefined };
}

describe("the table's controls", () => {
  for (const [control, calls] of Object.entries(uses) as [keyof typeof uses, (typeof uses)[keyof typeof uses]][]) {
    it(`${control}: ${controls[control]}`, async () => {
      const { store: _, ...storeless } = memory();
      const lacking = controls[control] === "store" ? storeless : inexact(memory());
      for (const call of calls) {
        await call(memory());
        await expect(call(lacking)).rejects.toMatchObject({
          code: controls[control] === "store" ? "NEEDS_STORE" : "UNSUPPORTED",
        });
      }
    });
  }
});

function inexact(broker: Broker): Broker {
  const features = { ...broker.features, exactCount: false };
  return { ...broker, features, open: async (spec) => ({ ...(await broker.open(spec)), features }) };
}

/** The README's rows of options, as they stand there. */
const rows = readme
  .slice(readme.indexOf("\n## Options\n"), readme.indexOf("One message, with `task.publish("))
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => {
    const [, name = "", standard = "", side = ""] = line.split(/ ?\| ?/);
    return { name: name.slice(1, -1), standard, side };
  });

describe("the README's table of options", () => {
  it("has a row for each option, and for nothing else", () => {
    expect(rows.map(({ name }) => name).sort()).toEqual([...optionNames].sort());
  });

  it("says which side uses each: a publisher takes those, and refuses the others by name", () => {
    const taken = (name: string) => {
      // A definition may hold these too; a publisher does nothing with them.
      if (definitionOptions.includes(name as never) && !publisherOptions.includes(name as never)) return "run";
      try {
        publisher({ queue: "table", [name]: name === "queue" ? "table" : undefined });
        return "publish or both";
      } catch (error) {
        expect((error as Error).message).toContain(`publisher() takes no "${name}"`);
        return "run";
      }
    };
    for (const { name, side } of rows) expect(side === "run" ? "run" : "publish or both", name).toBe(taken(name));
  });

  it("says the defaults that are in force", () => {
    const { log: _, ...inForce } = { ...resolveOptions({ queue: "q" }, {}) } as Record<string, unknown>;
    const plain = (value: unknown) =>
      value === undefined ? /^(none|false|read from|what the engine)/ : JSON.stringify(value);
    for (const { name, standard } of rows) {
      if (!(name in inForce) || name === "queue" || name === "backoff") continue;
      const value = plain(inForce[name]);
      expect(standard.replaceAll("`", "").split(";")[0], name).toEqual(
        typeof value === "string" ? value : expect.stringMatching(value),
      );
    }
    expect(standardOf("concurrency")).toContain(
      `${resolveOptions({ queue: "q", qps: 1 }, {}).concurrency} with \`qps\``,
    );
    expect(resolveOptions({ queue: "q" }, {}).publishTimeoutMs).toBe(10_000);
  });

  it("has Python funboost's names beside it, as a mistyped option says them", () => {
    const fromPython = readFileSync(new URL("../../docs/from-python.md", import.meta.url), "utf8");
    const names = [...fromPython.matchAll(/^\| `(\w+)` \| `(\w+)` \|$/gm)];
    expect(names.length).toBeGreaterThan(15);
    for (const [, python = "", name = ""] of names) {
      if (python === name) continue;
      expect(() => boost({ queue: "q", [python]: 1 } as TaskParams, () => {}), python).toThrow(
        `Did you mean "${name}"?`,
      );
    }
  });
});

function standardOf(option: string): string | undefined {
  return rows.find(({ name }) => name === option)?.standard;
}
