/** Bun and Deno, from their packages on npm: a task runs on memory and on SQLite. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Installed, installPacked, run } from "../support/installed.ts";

const source = `import { boost, fct, shutdown } from "funboost";
for (const broker of ["memory", "sqlite"]) {
  const add = boost({ queue: "runtime", broker, rpc: true }, async (a, b) => a + b + fct.attempt);
  await add.consume();
  console.log(broker, await (await add.push(1, 2)).waitResult({ timeout: "20s" }));
}
await shutdown();
`;

let app: Installed | undefined;
let missing: string | undefined;
beforeAll(async () => {
  try {
    app = await installPacked({ bun: "1.4.5", deno: "2.9.6" });
    writeFileSync(join(app.folder, "hello.mjs"), source);
  } catch (error) {
    missing = `Bun and Deno cannot be had here: ${String(error)}`;
  }
});
afterAll(() => app?.remove());

/** The package for this platform holds the program; Bun's own script moves it where that may run. */
function programOf(folder: string, name: string, scope: string): string | undefined {
  const modules = join(folder, "node_modules");
  const platforms = existsSync(join(modules, scope)) ? readdirSync(join(modules, scope)) : [];
  const places = [
    `${name}/bin/${name}.exe`,
    ...platforms.flatMap((each) => [`${scope}/${each}/bin/${name}`, `${scope}/${each}/${name}`]),
  ];
  return places.map((each) => join(modules, each)).find((file) => existsSync(file));
}

const runtimes = [
  { name: "bun", scope: "@oven", args: [] },
  { name: "deno", scope: "@deno", args: ["run", "--allow-all"] },
];

it.for(runtimes)("runs on $name", async ({ name, scope, args }, { skip }) => {
  if (!app) return skip(missing);
  const program = programOf(app.folder, name, scope);
  if (!program) return skip(`no package of ${name} for this platform`);
  const { code, output } = await run(program, [...args, "hello.mjs"], {
    cwd: app.folder,
    timeoutMs: 90_000,
    env: {
      FUNBOOST_SQLITE_FILE: join(app.folder, `${name}.db`),
      DENO_DIR: join(app.folder, "deno"),
      DENO_NO_UPDATE_CHECK: "1",
    },
  });
  expect({ code, output }).toEqual({ code: 0, output: "memory 4\nsqlite 4\n" });
});
