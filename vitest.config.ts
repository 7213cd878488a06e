/** Five projects, run one after the other: two cores cannot give timing cases and package installs at once. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const alias = [
  { find: /^funboost$/, replacement: at("./src/index.ts") },
  { find: /^funboost\/core$/, replacement: at("./src/core.ts") },
  { find: /^funboost\/contract$/, replacement: at("./src/contract/index.ts") },
  { find: /^funboost\/conformance$/, replacement: at("./test/conformance/index.ts") },
  { find: /^funboost\/adapters\/(.+)$/, replacement: at("./adapters/$1/broker.ts") },
  { find: /^funboost\/stores\/(.+)$/, replacement: at("./adapters/$1/store.ts") },
];
const slow = ["test/project/package.test.ts", "test/project/bundle.test.ts"];
/** These wait for leases and deadlines to end, which costs no processor. */
const waiting = ["test/behaviour/slow.test.ts", "test/behaviour/broker-down.test.ts"];
const overMemory = [
  "test/src/**/*.test.ts",
  "test/bench/**/*.test.ts",
  "test/adapters/memory/*.test.ts",
  "test/project/process-wide.test.ts",
];
/** They wait more than they work, and vitest's own choice for two cores is one worker. */
const unitWorkers = 3;
/** What a test waits for comes late on a busy machine: a wait is no bound. */
const patience = { poll: { timeout: 15_000 } };
const built = { globalSetup: ["./test/support/global-setup.ts"] };

export default defineConfig({
  resolve: { alias },
  test: {
    testTimeout: 20_000,
    hookTimeout: 60_000,
    expect: patience,
    maxConcurrency: 8,
    projects: [
      {
        extends: true,
        test: { name: "architecture", include: ["test/project/architecture.test.ts"], sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: { name: "unit", include: overMemory, maxWorkers: unitWorkers, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: {
          name: "adapters",
          include: ["test/**/*.test.ts"],
          exclude: ["test/project/architecture.test.ts", ...overMemory, ...waiting, ...slow],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          ...built,
        },
      },
      { extends: true, test: { name: "waiting", include: waiting, sequence: { groupOrder: 3 }, ...built } },
      {
        extends: true,
        test: {
          name: "package",
          include: slow,
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 4 },
          ...built,
        },
      },
    ],
  },
});
