/** Beside the queue that an application has already: npm installs the package, and a client that is not known is refused at its first use. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Installed, installPacked, npm, run } from "../support/installed.ts";
import { type RunningService, serviceFor } from "../support/services.ts";

const sqlite = `import { boost, shutdown } from "funboost";
const add = boost({ queue: "add", rpc: true }, (a, b) => a + b);
await add.consume();
console.log(await (await add.push(1, 2)).waitResult());
await shutdown();
`;
const bullmq = `import { boost, shutdown } from "funboost";
const add = boost({ queue: "peers" + process.pid, broker: "bullmq", rpc: true }, (a, b) => a + b);
try {
  await add.consume();
  console.log(await (await add.push(1, 2)).waitResult());
} catch ({ code, message }) {
  console.log(code, message);
}
await shutdown();
`;
const store = `import { redisStore } from "funboost/stores/redis";
const store = redisStore({ url: process.env.REDIS_URL });
const alive = setInterval(() => {}, 1000); // a store keeps no process alive
try {
  await store.set([{ key: "peers.test", value: "kept" }]);
  console.log(await store.get(["peers.test"]));
} catch ({ code, message }) {
  console.log(code, message);
}
await store.close();
clearInterval(alive);
`;

interface Neighbours {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly bullmq: string;
  readonly store: string;
}

const advice = "which this adapter does not know. Tested: ";
const neighbours: readonly Neighbours[] = [
  {
    dependencies: { bullmq: "5.73.5" }, // brings ioredis 5
    bullmq: "3\n",
    store: "[ 'kept' ]",
  },
  {
    dependencies: { bullmq: "5.58.9", ioredis: "5.11.1" },
    bullmq: `[bullmq] found bullmq 5.58.9, ${advice}^5.73.5 and ^6.4.0. Run: npm install bullmq@^5.73.5`,
    store: "[ 'kept' ]",
  },
  {
    dependencies: { bull: "4.16.5" }, // brings ioredis 5
    bullmq: '[bullmq] needs the package "bullmq". Run: npm install bullmq',
    store: "[ 'kept' ]",
  },
  {
    dependencies: { bull: "4.9.0", ioredis: "4.31.0" },
    bullmq: '[bullmq] needs the package "bullmq". Run: npm install bullmq',
    store: `[redis] found ioredis 4.31.0, ${advice}^5.3.2 and ^6.0.0. Run: npm install ioredis@^6.0.0`,
  },
];

let redis: RunningService;
beforeAll(async () => {
  redis = await serviceFor("redis");
});
afterAll(() => redis?.stop());

async function runIn(app: Installed, source: string) {
  writeFileSync(join(app.folder, "probe.mjs"), source);
  const url = process.env.REDIS_URL ?? "";
  const env = { FUNBOOST_SQLITE_FILE: join(app.folder, "queue.db"), FUNBOOST_BULLMQ_URL: url, REDIS_URL: url };
  return run(process.execPath, ["probe.mjs"], { cwd: app.folder, env });
}

describe.each(neighbours)("beside $dependencies", (beside) => {
  let app: Installed;
  beforeAll(async () => {
    app = await installPacked(beside.dependencies);
  });
  afterAll(() => app?.remove());

  it("SQLite runs", async () => {
    expect(await runIn(app, sqlite)).toEqual({ code: 0, output: "3\n" });
  });
  it("BullMQ runs, or says what it found, what it knows and what to do", async ({ skip }) => {
    if (redis.unavailable) skip(redis.unavailable);
    const { code, output } = await runIn(app, bullmq);
    expect(code, output).toBe(0);
    expect(output).toContain(beside.bullmq);
  });
  it("the Redis store works, or says so too", async ({ skip }) => {
    if (redis.unavailable) skip(redis.unavailable);
    const { code, output } = await runIn(app, store);
    expect(code, output).toBe(0);
    expect(output).toContain(beside.store);
  });
});

describe("without the native part of SQLite's driver", () => {
  it("says which package is missing, and what it says to run helps", async () => {
    const app = await installPacked();
    try {
      rmSync(join(app.folder, "node_modules/@libsql"), { recursive: true });
      const { code, output } = await runIn(app, sqlite);
      expect(code).not.toBe(0);
      expect(output).toMatch(/MISSING_PEER/);
      expect(output).toMatch(
        /"libsql" is installed, but not "@libsql\/[\w-]+", its native part for this platform\..* Run: npm install --include=optional/,
      );
      await npm(["install", "--prefix", app.folder, "--include=optional"], app.folder);
      expect(await runIn(app, sqlite)).toEqual({ code: 0, output: "3\n" });
    } finally {
      app.remove();
    }
  });
});
