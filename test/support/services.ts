/** Which servers the tests can use here: a given one, else a private one, else a skip that says why. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";

export interface RunningService {
  readonly name: string;
  /** Why it cannot be had here. */
  readonly unavailable?: string;
  readonly settings?: Readonly<Record<string, string>>;
  /** Cuts all connections to it. */
  readonly disrupt?: () => Promise<void>;
  stop(): Promise<void>;
}

const nothing = async () => {};

/** Redis at REDIS_URL, else a private one where the binary is installed. Sets REDIS_URL for the adapters' create modules. */
export async function redisService(): Promise<RunningService> {
  const given = process.env.REDIS_URL;
  if (given) {
    const reachable = await answers(given);
    return {
      name: "redis",
      ...(reachable
        ? { settings: { REDIS_URL: given }, disrupt: () => cutRedis(given) }
        : { unavailable: `REDIS_URL (${withoutSecret(given)}) does not answer` }),
      stop: nothing,
    };
  }
  if (spawnSync("redis-server", ["--version"]).status !== 0) {
    return { name: "redis", unavailable: "set REDIS_URL, or install redis-server", stop: nothing };
  }
  return startRedis();
}

/** A Redis of its own; `port` to start one again where another has stopped. */
export async function startRedis(port?: number): Promise<RunningService & { readonly port: number }> {
  port ??= await freePort();
  const folder = mkdtempSync(join(tmpdir(), "funboost-redis-"));
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder], {
    stdio: "ignore",
  });
  const kill = () => void server.kill("SIGKILL");
  process.once("exit", kill);
  const url = `redis://127.0.0.1:${port}`;
  const stop = async () => {
    process.removeListener("exit", kill);
    await stopped(server);
    rmSync(folder, { recursive: true, force: true });
    delete process.env.REDIS_URL;
  };
  for (let tries = 0; tries < 100; tries++) {
    if (await answers(url)) {
      process.env.REDIS_URL = url;
      return { name: "redis", port, settings: { REDIS_URL: url }, disrupt: () => cutRedis(url), stop };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await stop();
  return { name: "redis", port, unavailable: "redis-server did not start within 5 s", stop: nothing };
}

async function cutRedis(url: string): Promise<void> {
  const client = new Redis(url);
  client.on("error", () => {}); // it cuts itself off too
  for (const type of ["pubsub", "normal"] as const) await client.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
  client.disconnect();
}

async function stopped(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  await gone;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

/** True when something accepts connections there. */
function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port || 6379), timeout: 2_000 });
    const end = (reachable: boolean) => {
      socket.destroy();
      resolve(reachable);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}

function withoutSecret(url: string): string {
  return url.replace(/\/\/[^@/]*@/, "//***@");
}
