/** A Next.js app that publishes from its routes, built by both of its bundlers and run. Next is installed for it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, type TestContext } from "vitest";
import { type Installed, installPacked, run } from "../support/installed.ts";
import { writeRecipe } from "../support/recipes.ts";
import { freePorts } from "../support/services/process.ts";
import { type RunningService, serviceFor } from "../support/services.ts";

const route = (broker: string) => `
import { publisher } from "funboost";
const add = publisher({ queue: "next-${process.pid}", broker: "${broker}", params: ["a", "b"] });
export const dynamic = "force-dynamic";
export async function GET() {
  try {
    const { id } = await add.push(1, 2);
    return Response.json({ id: typeof id, waits: (await add.count()) > 0 });
  } catch (error) {
    return Response.json({ error: String(error) });
  }
}
`;
const layout = "export default ({ children }) => <html><body>{children}</body></html>;\n";
let app: Installed | undefined;
let missing: string | undefined;
let redis: RunningService;

beforeAll(async () => {
  redis = await serviceFor("redis");
  try {
    app = await installPacked({ bullmq: "^6.7.0", ioredis: "^6.0.0", next: "16.4.6", react: "19", "react-dom": "19" });
  } catch (error) {
    missing = `Next cannot be had here: ${String(error)}`;
    return;
  }
  writeRecipe(app.folder, "next.config.mjs");
  for (const broker of ["sqlite", "bullmq"]) {
    mkdirSync(join(app.folder, "app", broker), { recursive: true });
    writeFileSync(join(app.folder, "app", broker, "route.js"), route(broker));
  }
  writeFileSync(join(app.folder, "app/layout.js"), layout);
});
afterAll(async () => {
  app?.remove();
  await redis?.stop();
});

const next = (folder: string) => join(folder, "node_modules/next/dist/bin/next");

async function ask(url: string): Promise<unknown> {
  const answer = await fetch(url);
  return answer.json();
}

async function started({ folder }: Installed): Promise<{ readonly url: string; readonly server: ChildProcess }> {
  const [port] = await freePorts(1);
  const env = {
    ...process.env,
    NODE_ENV: "production",
    NEXT_TELEMETRY_DISABLED: "1",
    FUNBOOST_SQLITE_FILE: join(folder, "queue.db"),
    FUNBOOST_BULLMQ_URL: process.env.REDIS_URL ?? "",
  } as const;
  const args = [next(folder), "start", "--port", String(port), "--hostname", "127.0.0.1"];
  const server = spawn(process.execPath, args, { cwd: folder, env, stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  await expect
    .poll(
      () =>
        fetch(url).then(
          () => true,
          () => false,
        ),
      { timeout: 60_000 },
    )
    .toBe(true);
  return { url, server };
}

it.for(["webpack", "turbopack"])(
  "built by %s, its routes publish to SQLite and to BullMQ",
  async (bundler, { skip }: TestContext) => {
    if (!app) return skip(missing);
    rmSync(join(app.folder, ".next"), { recursive: true, force: true });
    const { code, output } = await run(process.execPath, [next(app.folder), "build", `--${bundler}`], {
      cwd: app.folder,
      timeoutMs: 170_000,
      env: { NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" },
    });
    expect(code, output).toBe(0);
    expect(output).not.toMatch(/warning/i);
    const { url, server } = await started(app);
    try {
      expect(await ask(`${url}/sqlite`)).toEqual({ id: "string", waits: true });
      if (redis.unavailable) skip(`without BullMQ: ${redis.unavailable}`);
      expect(await ask(`${url}/bullmq`)).toEqual({ id: "string", waits: true });
    } finally {
      server.kill("SIGKILL");
    }
  },
);
