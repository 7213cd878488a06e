/**
 * Projects, run one after the other: two cores cannot give timing cases and package installs at once.
 * Kits run side by side in "kits"; what measures time or fills the machine is in "timing", one line for all kits; what
 * waits for leases to end is in "waiting".
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { kitCosts } from "./test/support/kit-costs.ts";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const alias = [
  { find: /^funboost$/, replacement: at("./src/index.ts") },
  { find: /^funboost\/core$/, replacement: at("./src/core.ts") },
  { find: /^funboost\/publisher$/, replacement: at("./src/publish-only.ts") },
  { find: /^funboost\/contract$/, replacement: at("./src/contract/index.ts") },
  { find: /^funboost\/adapter$/, replacement: at("./adapters/adapter.ts") },
  { find: /^funboost\/conformance$/, replacement: at("./test/conformance/index.ts") },
  { find: /^funboost\/adapters\/(.+)$/, replacement: at("./adapters/$1/broker.ts") },
  { find: /^funboost\/stores\/(.+)$/, replacement: at("./adapters/$1/store.ts") },
];
/** What is read from the sources alone. */
const structure = ["architecture", "exports", "tour"].map((name) => `test/project/${name}.test.ts`);
const packaging = ["package", "peers", "bundle", "next", "runtimes", "own-adapter", "guides", "typescript"].map(
  (name) => `test/project/${name}.test.ts`,
);
/** These wait for leases and deadlines to end, which costs no processor. */
const waiting = ["slow", "broker-down", "frozen-server", "network"].map((name) => `test/behaviour/${name}.test.ts`);
const behaviourOverMemory = [
  "bad-input",
  "controls",
  "events",
  "fake-timers",
  "field",
  "jobs",
  "native-results",
  "store-down",
  "time",
  "waiting",
].map((name) => `test/behaviour/${name}.test.ts`);
const overMemory = [
  ...["src/**", "bench/**", "adapters/{memory,shared}"].map((folder) => `test/${folder}/*.test.ts`),
  ...behaviourOverMemory,
  "test/project/process-wide.test.ts",
  "test/project/types.test.ts",
  "test/project/types.definitions.test.ts",
];
const kits = "test/adapters/*/conformance.test.ts";
/** They wait more than they work, and vitest's own choice for two cores is one worker. */
const unitWorkers = 3;
/** What a test waits for comes late on a busy machine: a wait is no bound. */
const patience = { poll: { timeout: 15_000 } };
/** CI asks for a report of its own beside what is printed. */
const report = process.env.FUNBOOST_TEST_REPORT;
const built = { globalSetup: ["./test/support/global-setup.ts"] };

export default defineConfig({
  resolve: { alias },
  test: {
    testTimeout: 20_000,
    hookTimeout: 60_000,
    expect: patience,
    maxConcurrency: 8,
    reporters: ["default", kitCosts, ...(report ? [["json", { outputFile: report }] as ["json", object]] : [])],
    projects: [
      {
        extends: true,
        test: { name: "architecture", include: structure, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: "unit",
          include: overMemory,
          pool: "threads", // a tenth cheaper than processes
          maxWorkers: unitWorkers,
          sequence: { groupOrder: 1 },
          provide: { kitPart: "together" },
        },
      },
      {
        extends: true,
        test: {
          name: "kits",
          include: [kits],
          exclude: overMemory,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
          provide: { kitPart: "together" },
          ...built,
        },
      },
      {
        extends: true,
        test: {
          name: "timing",
          include: [kits],
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          provide: { kitPart: "alone" },
          ...built,
        },
      },
      {
        extends: true,
        test: {
          name: "adapters",
          include: ["test/**/*.test.ts"],
          exclude: [...structure, kits, ...overMemory, ...waiting, ...packaging],
          fileParallelism: false,
          sequence: { groupOrder: 4 },
          ...built,
        },
      },
      {
        extends: true,
        test: {
          name: "waiting",
          include: [...waiting, kits],
          exclude: ["test/adapters/{memory,redis,postgres}/*"], // no processes of their own to kill
          maxWorkers: unitWorkers,
          sequence: { groupOrder: 5 },
          provide: { kitPart: "waits" },
          ...built,
        },
      },
      {
        extends: true,
        test: {
          name: "package",
          include: packaging,
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 6 },
          ...built,
        },
      },
    ],
  },
});
