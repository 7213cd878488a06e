/** Publishers written with `funboost/core` and `funboost/publisher` bundle without peers and run alone; the whole of funboost bundles too. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Installed, installPacked, run } from "../support/installed.ts";

const publisherSource = `
import { publisher } from "funboost/core";
import { memory } from "funboost/adapters/memory";
const add = publisher({ queue: "add", broker: memory(), params: ["a", "b"] });
const handle = await add.push(1, 2);
console.log(JSON.stringify({ id: typeof handle.id, count: await add.count() }));
`;

let app: Installed;
beforeAll(async () => {
  app = await installPacked();
});
afterAll(() => app?.remove());

async function bundle(name: string, source: string, external: string[] = []) {
  writeFileSync(join(app.folder, `${name}.mjs`), source);
  const outfile = join(app.folder, "alone", `${name}.mjs`); // a folder from which no package can be found
  mkdirSync(join(app.folder, "alone"), { recursive: true });
  const result = await build({
    absWorkingDir: app.folder,
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
    const { code, output } = await run(process.execPath, [outfile], { cwd: join(app.folder, "alone") });
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
    const { code, output } = await run(process.execPath, [outfile], { cwd: join(app.folder, "alone") });
    expect({ code, output: output.trim() }).toEqual({ code: 0, output: '{"id":"string","count":1}' });
  });
  it("funboost with its catalog bundles while no peer is installed", async () => {
    const source =
      'import { boost, shutdown } from "funboost";\nconst add = boost({ queue: "add", broker: "memory", rpc: true }, (a, b) => a + b);\nawait add.consume();\nconsole.log(await (await add.push(1, 2)).waitResult());\nawait shutdown();\n';
    const { outfile, errors } = await bundle("whole", source, ["libsql"]);
    expect(errors).toEqual([]);
    const { code, output } = await run(process.execPath, [outfile], { cwd: join(app.folder, "alone") });
    expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining("3") });
  });
});
