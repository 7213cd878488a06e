/**
 * Each bundler's build runs, as the guide's recipe says: with the engines' clients left out of the bundle, and within
 * it. Publishers written with `funboost/core` and `funboost/publisher` bundle without peers and run alone.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { build as viteBuild } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import webpack from "webpack";
import { type Installed, installPacked, root, run } from "../support/installed.ts";
import { recipeArguments, writeRecipe } from "../support/recipes.ts";
import { type RunningService, serviceFor } from "../support/services.ts";

const publisherSource = `
import { publisher } from "funboost/core";
import { memory } from "funboost/adapters/memory";
const add = publisher({ queue: "add", broker: memory(), params: ["a", "b"] });
const handle = await add.push(1, 2);
console.log(JSON.stringify({ id: typeof handle.id, count: await add.count() }));
`;

const wholeSource = `
import { boost, shutdown } from "funboost";
const add = boost({ queue: "add", broker: "memory", rpc: true }, (a, b) => a + b);
await add.consume();
console.log(await (await add.push(1, 2)).waitResult());
await shutdown();
`;

/** Each broker once, by name; no await at the top level: it is bundled to CommonJS too. */
const enginesSource = `
import { boost, shutdown } from "funboost";
async function main() {
  for (const broker of process.env.BROKERS.split(",")) {
    const add = boost({ queue: "bundled", broker, rpc: true, params: ["a", "b"] }, async (a, b) => a + b);
    await add.consume();
    console.log(broker, await (await add.push(1, 2)).waitResult({ timeout: "15s" }));
  }
  await shutdown();
}
main();
`;

const absent = [
  ...["agenda", "pg"],
  ...["mongo", "postgres", "redis"].map((name) => `@agendajs/${name}-backend`),
  ...["client", "worker", "workflow"].map((name) => `@temporalio/${name}`),
];

let app: Installed;
let bare: Installed;
let redis: RunningService;
beforeAll(async () => {
  bare = await installPacked();
});
beforeAll(async () => {
  redis = await serviceFor("redis");
  app = await installPacked({ bullmq: "^6.7.0", ioredis: "^6.0.0", "bee-queue": "^2.0.0" });
  writeFileSync(join(app.folder, "app.mjs"), enginesSource);
});
afterAll(async () => {
  app?.remove();
  bare?.remove();
  await redis?.stop();
});

async function bundle(name: string, source: string, external: string[] = []) {
  writeFileSync(join(bare.folder, `${name}.mjs`), source);
  const outfile = join(bare.folder, "alone", `${name}.mjs`); // a folder from which no package can be found
  mkdirSync(join(bare.folder, "alone"), { recursive: true });
  const result = await build({
    absWorkingDir: bare.folder,
    entryPoints: [`${name}.mjs`],
    outfile,
    external,
    logLevel: "silent",
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    metafile: true,
    minify: true,
  });
  return {
    outfile,
    errors: result.errors,
    inputs: Object.keys(result.metafile.inputs),
    bytes: Object.values(result.metafile.outputs)[0]?.bytes ?? 0,
  };
}

describe("bundled by esbuild", () => {
  it("a publisher of funboost/core runs, and holds no other engine", async () => {
    const { outfile, inputs, bytes } = await bundle("publisher", publisherSource);
    const others = inputs.filter((file) => /adapters\/(?!memory\/|shared\/)|bullmq|ioredis|libsql/.test(file));
    expect(others).toEqual([]);
    expect(bytes).toBeLessThan(500_000);
    const { code, output } = await run(process.execPath, [outfile], { cwd: join(bare.folder, "alone") });
    expect({ code, output: output.trim() }).toEqual({ code: 0, output: '{"id":"string","count":1}' });
  });
  it("funboost/publisher bundles without the parser while no peer is installed, and runs", async () => {
    const source = `import { defineTask, publisher, shutdown } from "funboost/publisher";
const add = publisher(defineTask({ queue: "add", broker: "memory", params: ["a", "b"] }));
const handle = await add.push(1, 2);
console.log(JSON.stringify({ id: typeof handle.id, count: await add.count() }));
await shutdown();
`;
    const { outfile, inputs } = await bundle("web", source, ["libsql"]);
    expect(inputs.filter((file) => /acorn|wire\/(signature|function-source)/.test(file))).toEqual([]);
    const { code, output } = await run(process.execPath, [outfile], { cwd: join(bare.folder, "alone") });
    expect({ code, output: output.trim() }).toEqual({ code: 0, output: '{"id":"string","count":1}' });
  });
  it("funboost with its catalog bundles while no peer is installed", async () => {
    const { outfile, errors } = await bundle("whole", wholeSource, ["libsql"]);
    expect(errors).toEqual([]);
    const { code, output } = await run(process.execPath, [outfile], { cwd: join(bare.folder, "alone") });
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining("3") });
  });
});

/** What is left out is found where the bundle runs. */
async function runBundle(file: string): Promise<void> {
  const brokers = ["memory", "sqlite", ...(redis.unavailable ? [] : ["bullmq", "bee-queue"])];
  const url = process.env.REDIS_URL ?? "";
  const env = {
    BROKERS: brokers.join(","),
    FUNBOOST_SQLITE_FILE: join(app.folder, `${file}.db`),
    FUNBOOST_BULLMQ_URL: url,
    FUNBOOST_BEE_QUEUE_URL: url,
  };
  const { code, output } = await run(process.execPath, [file], { cwd: app.folder, timeoutMs: 60_000, env });
  expect({ code, output }).toEqual({ code: 0, output: brokers.map((each) => `${each} 3\n`).join("") });
}

async function inApp(program: string, args: readonly string[]): Promise<void> {
  const file = join(root, "node_modules/.bin", program);
  const { code, output } = await run(file, args, { cwd: app.folder, timeoutMs: 120_000 });
  expect(code, output).toBe(0);
}

async function runWebpack(config: webpack.Configuration): Promise<{ errors: unknown[]; warnings: unknown[] }> {
  const stats = await new Promise<webpack.Stats>((resolve, reject) => {
    webpack({ ...config, context: app.folder }, (error, done) => (done ? resolve(done) : reject(error)));
  });
  const { errors = [], warnings = [] } = stats.toJson({ all: false, errors: true, warnings: true });
  return { errors, warnings };
}

async function webpackRecipe(): Promise<webpack.Configuration> {
  const config: webpack.Configuration = (
    await import(pathToFileURL(writeRecipe(app.folder, "webpack.config.mjs")).href)
  ).default;
  return { ...config, output: { ...config.output, path: app.folder } };
}

describe("the guide's recipes", () => {
  it("esbuild to ESM, and to CommonJS", async () => {
    const command = recipeArguments("esbuild");
    await inApp("esbuild", command);
    await runBundle("app.bundle.mjs");
    const common = command.map((each) => each.replace("=esm", "=cjs").replace("app.bundle.mjs", "app.bundle.cjs"));
    await inApp("esbuild", common);
    await runBundle("app.bundle.cjs");
  });
  it("webpack, which warns of nothing but engines that are not installed", async () => {
    const { errors, warnings } = await runWebpack(await webpackRecipe());
    const other = warnings.filter((each) => !absent.some((name) => JSON.stringify(each).includes(`resolve '${name}'`)));
    expect({ errors, other }).toEqual({ errors: [], other: [] });
    await runBundle("app.cjs");
  });
  it("Vite", async () => {
    writeRecipe(app.folder, "vite.config.mjs");
    await inApp("vite", ["build"]);
    await runBundle("out/app.js");
  });
});

/** What the guide says must stay out. */
const outside = ["libsql", "bee-queue"];

describe("the other clients in the bundle", () => {
  it("esbuild to CommonJS", async () => {
    await build({
      absWorkingDir: app.folder,
      entryPoints: ["app.mjs"],
      outfile: join(app.folder, "inside.cjs"),
      external: outside,
      bundle: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      logLevel: "silent",
    });
    await runBundle("inside.cjs");
  });
  it("webpack", async () => {
    const config = await webpackRecipe();
    const output = { ...config.output, filename: "packed.cjs", chunkFilename: "packed-[id].cjs" };
    const externals = Object.fromEntries(outside.map((name) => [name, `commonjs ${name}`]));
    // Next's build, which is minified too, has a test of its own.
    const { errors } = await runWebpack({ ...config, output, externals, optimization: { minimize: false } });
    expect(errors).toEqual([]);
    await runBundle("packed.cjs");
  });
  it("Vite", async () => {
    writeRecipe(app.folder, "vite.config.mjs");
    const ssr = { noExternal: true as const, external: [...outside] };
    await viteBuild({ root: app.folder, logLevel: "silent", ssr, build: { outDir: "packed" } });
    await runBundle("packed/app.js");
  });
});
