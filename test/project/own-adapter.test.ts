/** The guide's adapter, as somebody outside this repository has it: the packed package, compiled there, and run there under the kit. */
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Installed, installPacked, root, run } from "../support/installed.ts";

const guide = readFileSync(join(root, "docs/write-an-adapter.md"), "utf8");
const blocks = [...guide.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, text]) => text as string);

/** The block whose first line starts with this. */
function block(start: string): string {
  const found = blocks.find((text) => text.startsWith(start));
  if (!found) throw new Error(`docs/write-an-adapter.md has no \`\`\`ts block that starts with ${start}`);
  return found;
}

const bin = (file: string) => join(root, "node_modules", file);
let app: Installed;

beforeAll(async () => {
  app = await installPacked();
  writeFileSync(join(app.folder, "list.ts"), block("/** A list in this process"));
  writeFileSync(join(app.folder, "list.create.ts"), block("// list.create.ts"));
  writeFileSync(join(app.folder, "list.test.ts"), block("// list.test.ts"));
  symlinkSync(bin("vitest"), join(app.folder, "node_modules/vitest"), "junction"); // as if it were installed there
});
afterAll(() => app?.remove());

it("compiles", async () => {
  const options = ["--strict", "--module", "nodenext", "--target", "es2023", "--skipLibCheck"];
  const types = ["--types", "node", "--typeRoots", bin("@types")];
  const files = ["list.ts", "list.create.ts", "list.test.ts"];
  const { code, output } = await run(process.execPath, [bin("typescript/bin/tsc"), ...options, ...types, ...files], {
    cwd: app.folder,
    timeoutMs: 120_000,
  });
  expect({ code, output }).toEqual({ code: 0, output: "" });
});

interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

it("passes the conformance kit", async () => {
  const report = join(app.folder, "report.json");
  const args = ["run", "list.test.js", "--root", app.folder, "--reporter=json", `--outputFile=${report}`];
  const { code, output } = await run(process.execPath, [bin("vitest/vitest.mjs"), ...args], {
    cwd: app.folder,
    timeoutMs: 170_000,
  });
  const { numPassedTests, testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.filter(({ status }) => status === "failed");
  expect(failed.map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]}`)).toEqual([]);
  expect(code, output).toBe(0);
  expect(numPassedTests).toBeGreaterThan(150); // what the declared features promise, emulated ones included
});
