/** TypeScript 5.4 to 7: the built declarations hold, users' usual tasks compile, and the tests of types do. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { root, run } from "../support/installed.ts";

const compilers = ["typescript-5.4", "typescript-5.9", "typescript-6", "typescript"];
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** An app beside the built package: what it imports is found as after an install. */
let app: string;

beforeAll(() => {
  app = mkdtempSync(join(tmpdir(), "funboost-types-"));
  mkdirSync(join(app, "node_modules/@types"), { recursive: true });
  for (const name of ["vitest", "@types/node", "undici-types", "zod", "valibot", "arktype"])
    symlinkSync(join(root, "node_modules", name), join(app, "node_modules", name), "junction");
  symlinkSync(root, join(app, "node_modules/funboost"), "junction");
  writeFileSync(join(app, "package.json"), '{ "type": "module" }');
});
afterAll(() => rmSync(app, { recursive: true, force: true }));

/** What a compiler says, but for the declarations of other packages, some of which want a newer one. */
async function problems(compiler: string, files: readonly string[], options: readonly string[]): Promise<string[]> {
  const args = [join(root, "node_modules", compiler, "bin/tsc"), "--noEmit", "--strict", "--module", "nodenext"];
  const { code, output } = await run(
    process.execPath,
    [...args, "--target", "es2022", "--types", "node", "--pretty", "false", ...options, ...files],
    { cwd: app, timeoutMs: 150_000 },
  );
  const lines = output.split("\n").filter((line) => line.includes("error TS"));
  if (code !== 0 && lines.length === 0) return [output];
  return lines.filter((line) => !/node_modules\/(?!funboost\/)/.test(line));
}

function write(name: string, text: string): string {
  writeFileSync(join(app, name), text);
  return name;
}

/** Every entry but the kit, whose declarations need vitest. */
function entries(): string {
  const brokers = readdirSync(join(root, "adapters"));
  const has = (folder: string, file: string) => readdirSync(join(root, "adapters", folder)).includes(file);
  const folders = brokers.filter((each) => !each.includes("."));
  const names = Object.keys(manifest.exports)
    .filter((name) => !/\*|json|conformance/.test(name))
    .map((name) => name.replace(/^\./, "funboost"));
  const adapters = folders.filter((each) => has(each, "broker.ts")).map((each) => `funboost/adapters/${each}`);
  const stores = folders.filter((each) => has(each, "store.ts")).map((each) => `funboost/stores/${each}`);
  return [...names, ...adapters, ...stores]
    .map((name, index) => `export type * as entry${index} from "${name}";`)
    .join("\n");
}

const usual = `
import {
  asCompleted, boost, brokerName, configure, fct, getOrCreate, publisher, RetryError, registerBroker, shutdown,
  taskParams, waitAll, withLock, wrapBroker,
} from "funboost";
import { memory } from "funboost/adapters/memory";
import { redisStore } from "funboost/stores/redis";

configure({
  brokers: { bullmq: { url: process.env.REDIS_URL }, sqlite: { synchronous: "full" } },
  store: redisStore({ url: process.env.REDIS_URL }), defaults: { maxRetries: 5, timeout: "10m" }, log: "warn",
});
const shared = taskParams({ broker: brokerName(process.env.BROKER ?? "sqlite"), rpc: true, timeout: "30s" });
interface Order { readonly id: string; readonly lines: { sku: string; count: number }[]; note?: string | null }

export const transcode = boost(
  { ...shared, queue: "transcode", qps: 5, filter: { ttl: "1d", key: (file, height) => \`\${file} \${height}\` } },
  async function transcode(file: string, height: number): Promise<string> {
    fct.logger.info({ attempt: fct.attempt }, "started");
    return \`\${file}_\${height}p.mp4\`;
  },
);
export const order = boost({ queue: "order", broker: memory(), params: "object" }, async ({ id, lines }: Order) => {
  if (lines.length === 0) throw new RetryError({ after: "30s" });
  return { id, lines: lines.length };
});
export const late = boost({ queue: "late", convert: (raw) => [String(raw), 1] }, function late(a: string, n = 1) {
  return a.repeat(n);
});
export const perTenant = (tenant: string) => getOrCreate({ queue: \`mail-\${tenant}\`, broker: "bullmq" }, (to: string) => to);

export async function main() {
  const text: string = await (await transcode.push("a.mov", 720)).waitResult({ timeout: "5s" });
  const [file, done] = await waitAll([await transcode.push("a", 1), await order.push({ id: "1", lines: [] })]);
  const both: [string, number] = [file, done.lines];
  for await (const each of asCompleted([await transcode.push("a", 1), await order.push({ id: "1", lines: [] })]))
    console.log("error" in each ? each.error.message : each.value);
  await order.publish([{ id: "2", lines: [{ sku: "x", count: 1 }], note: null }], { delay: "5m", eta: undefined });
  await late.push("a");
  await perTenant("a").pushMany([["a@b.c"]]);
  const jobs = publisher<typeof transcode>({ queue: "transcode", broker: "bullmq", params: ["file", "height"] });
  await jobs.push("b.mov", 480);
  const loud = wrapBroker(memory(), (queue) => ({ publish: async (all) => queue.publish(all) }));
  registerBroker("loud", () => loud);
  await withLock("report", { ttl: "1m", broker: "sqlite" }, async (signal) => signal.aborted);
  await shutdown({ grace: "5s" });
  return [text, both];
}

// @ts-expect-error a number is no file
void (() => transcode.push(1, 2));
// @ts-expect-error no such broker
void (() => boost({ queue: "q", broker: "bulmq" }, () => 1));
// @ts-expect-error no such time
void (() => boost({ queue: "q", timeout: "5 parsecs" }, () => 1));
// @ts-expect-error a Date cannot be sent
void (() => boost({ queue: "q" }, (at: Date) => at).push(new Date()));
`;

const more = [
  "",
  ", rpc: true",
  ', timeout: "30s", maxRetries: 5',
  ', qps: 5, expireAfter: "1h"',
  ', filter: { ttl: "1d", key: (input, n) => input.id + n }',
  ', backoff: { type: "fixed", base: "1s" }',
];

/** Half of them take objects; each is pushed and waited for. */
function manyTasks(count: number): string {
  const tasks = Array.from({ length: count }, (_, i) =>
    i % 2 === 0
      ? `export const task${i} = boost({ queue: "q${i}", broker: "bullmq" }, async (file: string, height: number) => file + height);
export const handle${i} = task${i}.push("a.mov", ${i});`
      : `export interface Input${i} { readonly id: string; readonly tags: readonly string[]; readonly nested: { a?: string; b: { c: number }[] } }
export const task${i} = boost({ queue: "q${i}"${more[i % more.length]} }, async (input: Input${i}, n: number) => ({ id: input.id, n }));
export const handle${i} = task${i}.push({ id: "a", tags: [], nested: { b: [{ c: 1 }] } }, ${i});`,
  );
  return ['import { boost } from "funboost";', ...tasks].join("\n");
}

describe.each(compilers)("%s", (compiler) => {
  it("takes the declarations of every entry, and users' usual tasks", async () => {
    const files = [write("entries.ts", entries()), write("usual.ts", usual)];
    expect(await problems(compiler, files, ["--skipLibCheck", "false"])).toEqual([]);
  });
  it("passes the tests of types", async () => {
    const tests = readdirSync(join(root, "test/project")).filter((name) => /^types\b.*\.test\.ts$/.test(name));
    for (const name of tests) copyFileSync(join(root, "test/project", name), join(app, name));
    expect(tests).toContain("types.test.ts");
    expect(await problems(compiler, tests, ["--skipLibCheck", "--exactOptionalPropertyTypes"])).toEqual([]);
  });
  it("takes 300 tasks in one program", async () => {
    expect(await problems(compiler, [write("many.ts", manyTasks(300))], ["--skipLibCheck"])).toEqual([]);
  });
});
