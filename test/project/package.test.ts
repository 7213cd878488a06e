/** What users get: the packed package installs into an empty folder, and the README's example runs there in every way that it promises. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Installed, installPacked, root, run } from "../support/installed.ts";

/** The oldest Node that is promised, where the caller has it; else the one that runs the tests. */
const node = process.env.OLDEST_NODE ?? process.execPath;
const bin = (file: string) => join(root, "node_modules", file);
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const peers = Object.keys(manifest.peerDependencies);

/** The README's first TypeScript block that defines a task. */
function readmeExample(): string {
  const blocks = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    (match) => match[1] ?? "",
  );
  const example = blocks.find((block) => block.includes("boost("));
  if (!example) throw new Error("README.md has no ```ts block with boost(");
  return example;
}

const withoutTypes = (source: string) => transformSync(source, { loader: "ts", format: "esm", target: "es2023" }).code;

/** The same program for CommonJS: `require`, and a function around what awaits. */
function asCommonJs(source: string): string {
  const names = (list: string) => list.replaceAll(" as ", ": ");
  const required = withoutTypes(source).replace(
    /^import \{([^}]*)\} from ("[^"]+");$/gm,
    (_, list, from) => `const {${names(list)}} = require(${from});`,
  );
  const body = required.replace(/^export \{[^}]*\};$/gm, "").replace(/^export /gm, "");
  return `(async () => {\n${body}\n})();\n`;
}

let app: Installed;
let files = 0;

async function runExample(name: string, text: string) {
  writeFileSync(join(app.folder, name), text);
  return runFile(name);
}

const runFile = (name: string) =>
  run(node, [name], { cwd: app.folder, env: { FUNBOOST_SQLITE_FILE: join(app.folder, `queue-${++files}.db`) } });

function compile(name: string, ...more: string[]) {
  const options = [...more, "--strict", "--skipLibCheck", "false", "--module", "nodenext", "--target", "es2023"];
  return run(process.execPath, [bin("typescript/bin/tsc"), ...options, name], { cwd: app.folder, timeoutMs: 60_000 });
}

beforeAll(async () => {
  app = await installPacked(); // without @types/node too: our declarations must not need it
});
afterAll(() => app?.remove());

describe("the packed package", () => {
  it("installs without any optional peer", () => {
    expect(existsSync(join(app.folder, "node_modules/funboost/package.json"))).toBe(true);
    expect(peers.filter((peer) => existsSync(join(app.folder, "node_modules", peer)))).toEqual([]);
  });
  it("holds what its documents link to", () => {
    const folder = join(app.folder, "node_modules/funboost");
    const documents = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".md"));
    const links = documents.flatMap((document) =>
      [...readFileSync(join(folder, document), "utf8").matchAll(/\]\((?!\w+:|#)([^)#\s]+)[^)]*\)/g)].map((match) => ({
        document,
        target: match[1] as string,
      })),
    );
    const broken = links.filter(({ document, target }) => !existsSync(join(folder, dirname(document), target)));
    expect(links.length).toBeGreaterThan(20);
    expect(broken).toEqual([]);
  });
  it("passes publint", async () => {
    const { code, output } = await run(process.execPath, [bin("publint/src/cli.js"), app.tarball, "--strict"], {
      cwd: root,
      timeoutMs: 60_000,
    });
    expect(code, output).toBe(0);
  });
  it("passes attw", async () => {
    const wildcards = [
      "adapters/memory",
      "adapters/sqlite",
      "adapters/bullmq",
      "stores/memory",
      "stores/sqlite",
      "stores/redis",
      "stores/postgres",
    ];
    const entries = [".", "core", "publisher", "contract", "adapter", "conformance", ...wildcards];
    const args = [
      bin("@arethetypeswrong/cli/dist/index.js"),
      app.tarball,
      "--profile",
      "esm-only",
      "--no-emoji",
      "--entrypoints",
      ...entries,
    ];
    const { code, output } = await run(process.execPath, args, { cwd: root, timeoutMs: 60_000 });
    expect(code, output).toBe(0);
  });
  it("says what to install when peers are missing, all of an engine at once", async () => {
    const source = `import { boost } from "funboost";
for (const broker of ["bullmq", "bee-queue", "agenda", "temporal"])
  await boost({ queue: "q", broker }, (x) => x).push(1).catch((error) => console.log(error.code, error.message));
`;
    const { code, output } = await runExample("missing-peer.mjs", source);
    const said = [...output.matchAll(/MISSING_PEER .*npm install (.*)/g)].map(([, packages]) => packages);
    expect({ code, said }, output).toEqual({
      code: 0,
      said: [
        "bullmq ioredis",
        "bee-queue ioredis",
        "agenda @agendajs/postgres-backend",
        "@temporalio/client @temporalio/worker @temporalio/workflow",
      ],
    });
  });
});

describe("the README's example", () => {
  it("compiles under tsc --strict --skipLibCheck false without any peer, runs and exits", async () => {
    writeFileSync(join(app.folder, "example.ts"), readmeExample());
    expect(await compile("example.ts")).toEqual({ code: 0, output: "" });
    const { code, output } = await runFile("example.js");
    expect(code, output).toBe(0);
    expect(output).toMatch(/\S/);
  });
  it("runs and exits as plain .mjs", async () => {
    const { code, output } = await runExample("plain.mjs", withoutTypes(readmeExample()));
    expect(code, output).toBe(0);
    expect(output).toMatch(/\S/);
  });
  it("runs and exits by require()", async () => {
    const { code, output } = await runExample("required.cjs", asCommonJs(readmeExample()));
    expect(code, output).toBe(0);
    expect(output).toMatch(/\S/);
  });
});

describe("the public entries that need no peer", () => {
  const stores = ["memory", "sqlite", "redis", "postgres"].map((name) => `funboost/stores/${name}`);
  const entries = [
    "funboost",
    "funboost/core",
    "funboost/publisher",
    "funboost/contract",
    "funboost/adapter",
    "funboost/adapters/memory",
    "funboost/adapters/sqlite",
    ...stores.slice(0, 2),
  ];

  it("have declarations that hold under tsc --strict --skipLibCheck false", async () => {
    writeFileSync(
      join(app.folder, "entries.ts"),
      entries.map((entry, index) => `export type * as entry${index} from "${entry}";`).join("\n"),
    );
    expect(await compile("entries.ts")).toEqual({ code: 0, output: "" });
  });
  it("name every type that a user's own declarations need", async () => {
    const source = `import {
  asCompleted, boost, brokerName, defineTask, getOrCreate, type Handle, publisher, type Schema, taskParams, waitAll,
} from "funboost";
import { memory } from "funboost/adapters/memory";
import { sqlite } from "funboost/adapters/sqlite";
import * as web from "funboost/publisher";
declare const input: Schema<{ at: string }, { at: Date }>;
declare const maybe: Schema<{ at?: Date }>;
export const mail = defineTask<(to: string) => Promise<number>>({ queue: "mail" });
export const signup = defineTask({ queue: "signup", input });
export const spread = { ...mail, concurrency: 4 };
export const send = boost(spread, async (to) => to.length);
export const join = boost({ ...signup }, async ({ at }) => at.getTime());

export const dated = boost({ queue: "dated" }, (o: { at?: Date; more: Map<string, Date>[] }) => o.at);
export const mayBeDated = boost({ queue: "dated", input: maybe }, (o) => o.at);
export const members = { push: dated.push, publishMany: dated.publishMany, records: dated.records };
export const ofDated = publisher<typeof dated>({ queue: "dated" });
export const curried = boost({ queue: "curried" });
export const curriedInput = boost({ queue: "curried", input, broker: sqlite() });
export const curriedMail = boost({ ...mail, broker: memory() });
export const name = brokerName("memory");
export const shared = taskParams({ broker: brokerName("memory") });
export const own = taskParams({ broker: memory(), brokerOptions: {} });
export const mails = publisher(mail);
export const any = publisher(defineTask({ queue: "any" }));
export const webMail = web.publisher(web.defineTask<(at: Date) => void>({ queue: "web", broker: web.brokerName("memory") }));
export const webAny = web.publisher({ queue: "any" });

export class Jobs<T extends object> {
  readonly task;
  constructor(queue: string, work: (job: T) => Promise<void>) {
    this.task = boost({ queue }, work);
  }
}
export function make<A extends unknown[], R>(queue: string, fn: (...args: A) => R) {
  return boost({ queue }, fn);
}
export function get<F extends (...args: never[]) => unknown>(queue: string, fn: F) {
  return getOrCreate({ queue }, fn);
}
export function define<F extends (...args: never[]) => unknown>(queue: string) {
  return defineTask<F>({ queue });
}
export function checked<S extends Schema>(queue: string, input: S) {
  return [boost({ queue, input }), publisher({ queue, input }), web.publisher({ queue, input })] as const;
}
export function all<H extends readonly Handle[]>(handles: H) {
  return [waitAll(handles), asCompleted(handles), web.waitAll(handles), web.asCompleted(handles)] as const;
}
export function of<F>(queue: string) {
  return [publisher<F>({ queue }), web.publisher<F>({ queue })] as const;
}
`;
    writeFileSync(join(app.folder, "named.ts"), source);
    expect(await compile("named.ts", "--declaration")).toEqual({ code: 0, output: "" });
    rmSync(join(app.folder, "named.ts"));
    expect(await compile("named.d.ts")).toEqual({ code: 0, output: "" }); // and what was written holds
  });
  it("can be loaded by require(), those with late peers too", async () => {
    const all = [...entries, ...stores, "funboost/adapters/bullmq"];
    const { code, output } = await runExample("entries.cjs", all.map((entry) => `require("${entry}");`).join("\n"));
    expect(code, output).toBe(0);
  });
});

/** To publish to Temporal its client is enough; its own types need those of `ms`, as the README says. */
const clients: readonly { readonly entry: string; readonly install: string }[] = [
  { entry: "adapters/bullmq", install: "bullmq ioredis" },
  { entry: "adapters/bee-queue", install: "bee-queue ioredis" },
  { entry: "adapters/agenda", install: "agenda" },
  { entry: "adapters/temporal", install: "@temporalio/client" },
  { entry: "stores/redis", install: "ioredis" },
  { entry: "stores/postgres", install: "pg" },
];

describe("the declarations of an adapter hold under tsc --strict --skipLibCheck false with @types/node and", () => {
  it.each(clients)("$install: $entry", async ({ entry, install }) => {
    if (!entry.startsWith("stores/"))
      expect(readFileSync(join(root, "README.md"), "utf8")).toContain(`npm install ${install}`);
    const modules = join(app.folder, "node_modules");
    const linked = [...install.split(" "), "@types/node"].map((name) => join(modules, name));
    for (const link of linked) {
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(bin(link.slice(modules.length + 1)), link, "junction");
    }
    try {
      writeFileSync(join(app.folder, "ms.d.ts"), 'declare module "ms" {\n  export type StringValue = string;\n}\n');
      writeFileSync(join(app.folder, "adapter.ts"), `export * from "funboost/${entry}";\nexport * from "funboost";\n`);
      expect(await compile("adapter.ts", "ms.d.ts", "--types", "node")).toEqual({ code: 0, output: "" });
    } finally {
      for (const link of linked) rmSync(link);
    }
  });
});
