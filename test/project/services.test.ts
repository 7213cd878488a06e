/** The servers of `npm run services`, and those that tests start by themselves. Redis stands for all: it starts fastest. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { servers } from "../support/services/all.ts";
import { which } from "../support/services/process.ts";
import { takeDown } from "../support/services/shared.ts";
import { serviceFor, startPrivate } from "../support/services.ts";

const dist = (file: string) => fileURLToPath(new URL(`../../dist/${file}`, import.meta.url));
const missing = servers.redis.missing();
if (missing && process.env.REQUIRED_SERVICES?.includes("redis"))
  throw new Error(`REQUIRED_SERVICES names redis: ${missing}`);

vi.stubEnv("REDIS_URL", undefined); // these tests are about what is not given
afterAll(() => void vi.unstubAllEnvs());

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "funboost-services-"));
  vi.stubEnv("FUNBOOST_SERVICES_FOLDER", folder);
});
afterEach(async () => {
  await takeDown(servers.redis);
  rmSync(folder, { recursive: true, force: true });
});

const file = (name: string) => join(folder, "redis", name);

function begin(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [dist("scripts/services.js"), ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function services(
  ...args: (string | Record<string, string>)[]
): Promise<{ code: number | null; output: string }> {
  const words = args.filter((each) => typeof each === "string");
  const child = begin(
    words,
    args.find((each) => typeof each === "object"),
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, output };
}

/** A folder of programs, by name and text. */
function programs(texts: Record<string, string>): string {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  for (const [name, text] of Object.entries(texts))
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return bin;
}

/** A PATH on which Redis takes its time to start, so that a start has a middle. */
const slowly = () => {
  const bin = programs({
    "redis-server": `[ "$1" = --version ] || { echo >>${folder}/starts; sleep 2; }; exec ${which("redis-server")} "$@"`,
  });
  return { PATH: `${bin}${delimiter}${process.env.PATH}` };
};

const pid = () => Number(readFileSync(file("pid"), "utf8").split(" ")[0]);
const state = () => JSON.parse(readFileSync(file("state.json"), "utf8"));
/** Gone, or only its remains. */
const lives = (id: number) => {
  const { stdout } = spawnSync("sh", ["-c", `kill -0 ${id} && cat /proc/${id}/stat 2>/dev/null | grep -v ') Z '`], {
    encoding: "utf8",
  });
  return process.platform === "linux" ? stdout !== "" : spawnSync("kill", ["-0", String(id)]).status === 0;
};

describe.skipIf(missing)(`npm run services${missing ? ` (skipped: ${missing})` : ""}`, { timeout: 60_000 }, () => {
  it("starts once, says what is up, stops by pid, and keeps the port", async () => {
    expect((await services("status", "redis")).output).toMatch(/^redis +down/m);
    const first = await services("up", "redis");
    expect(first).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^redis +up +redis:\/\/127\.0\.0\.1:\d+ +\d+ +\d/m),
    });
    const running = pid();
    expect((await services("up", "redis")).code).toBe(0);
    expect(pid()).toBe(running);
    expect((await services("status", "redis")).output).toMatch(new RegExp(`^redis +up .* ${running} `, "m"));
    const [port] = state().ports;
    expect((await services("env")).output).toBe(`export REDIS_URL='redis://127.0.0.1:${port}'\n`);
    expect((await services("down", "redis")).output).toMatch(/^redis +stopped/m);
    expect(lives(running)).toBe(false);
    expect((await services("down", "redis")).output).toMatch(/^redis +was not up/m);
    expect((await services("env")).output).toBe("");
    await services("up", "redis");
    expect([state().ports[0], lives(pid())]).toEqual([port, true]);
  });

  it("starts one when two ask at once", async () => {
    const slow = slowly();
    const both = await Promise.all([services("up", "redis", slow), services("up", "redis", slow)]);
    const pids = both.map(({ output }) => /^redis +up +\S+ +(\d+)/m.exec(output)?.[1]);
    expect(pids).toEqual([String(pid()), String(pid())]);
    expect(readFileSync(join(folder, "starts"), "utf8")).toBe("\n");
  });

  it("takes another port where that of last time is taken", async () => {
    await services("up", "redis");
    const [port] = state().ports;
    await services("down", "redis");
    const taken = createServer().listen(port, "127.0.0.1");
    try {
      await services("up", "redis");
      expect(state().ports[0]).not.toBe(port);
      expect((await services("status", "redis")).output).toMatch(/^redis +up /m);
    } finally {
      taken.close();
    }
  });

  it("leaves a process alone that has the pid of a server that is gone", async () => {
    const other = spawn("sleep", ["60"], { stdio: "ignore" });
    try {
      mkdirSync(join(folder, "redis"), { recursive: true });
      writeFileSync(file("state.json"), JSON.stringify({ ports: [1], data: folder, version: "7" }));
      writeFileSync(file("pid"), `${other.pid} 1\n`);
      expect((await services("status", "redis")).output).toMatch(/^redis +down/m);
      expect((await services("down", "redis")).output).toMatch(/^redis +was not up/m);
      expect(other.exitCode ?? other.signalCode).toBeNull();
      expect(lives(other.pid ?? 0)).toBe(true);
    } finally {
      other.kill("SIGKILL");
    }
  });

  it("stops what a start left behind that was killed in the middle, and starts again after it", async () => {
    const starting = begin(["up", "redis"], slowly());
    const gone = new Promise((resolve) => starting.once("exit", resolve));
    await vi.waitFor(() => expect(existsSync(file("pid"))).toBe(true), { interval: 1, timeout: 10_000 });
    starting.kill("SIGKILL");
    await gone;
    const left = pid();
    expect(existsSync(file("lock"))).toBe(true); // it was killed before it was through
    expect(lives(left)).toBe(true);
    expect((await services("down", "redis")).output).toMatch(/^redis +stopped/m);
    expect(lives(left)).toBe(false);
    expect((await services("up", "redis")).code).toBe(0);
  });

  it("says that a given server does not answer, without its password, and starts none", async () => {
    const REDIS_URL = "redis://me:secret@127.0.0.1:1";
    const { code, output } = await services("up", "redis", { REDIS_URL });
    expect({ code, output }).toMatchObject({
      code: 1,
      output: expect.stringMatching(/given by REDIS_URL, does not answer: .*redis:\/\/\*\*\*@127\.0\.0\.1:1/),
    });
    expect(output).not.toContain("secret");
    expect((await services("status", "redis", { REDIS_URL })).code).toBe(0);
    expect(existsSync(file("state.json"))).toBe(false);
  });

  it("says in one line what is missing and what is skipped where nothing can be installed", async () => {
    const { code, output } = await services("up", "redis", { PATH: folder });
    expect(code).toBe(1);
    expect(output).toMatch(
      /^redis +cannot be had: redis-server is not installed; .*Set REDIS_URL\. Without it, skipped: BullMQ/m,
    );
  });

  it.skipIf(!existsSync("/etc/debian_version"))(
    "installs what is missing by Debian's packages, which then start no server of their own",
    async () => {
      const done = join(folder, "done");
      const bin = programs({
        "apt-get": `echo "$RUNLEVEL $*" >>${done}; case "$*" in *install*) ln -s ${which("redis-server")} ${folder}/bin/redis-server;; esac`,
        sudo: `shift; if [ "$*" = "id -u" ]; then echo 0; else exec "$@"; fi`, // where we are not root
      });
      for (const tool of ["sh", "env", "cut", "mv", "cat", "ln"]) symlinkSync(which(tool) ?? "", join(bin, tool));
      expect((await services("status", "redis", { PATH: bin })).output).toMatch(/^redis +down; "up" will install it/m);
      expect(await services("up", "redis", { PATH: bin })).toMatchObject({
        code: 0,
        output: expect.stringMatching(/^redis +up /m),
      });
      expect(readFileSync(done, "utf8")).toMatch(/^1 .*update\n1 .*install -y --no-install-recommends redis-server\n$/);
    },
  );

  it("refuses names and commands that it does not know, and says which there are", async () => {
    expect(await services("up", "redis", "mysql")).toMatchObject({
      code: 1,
      output: expect.stringMatching(/no server "mysql". Allowed: redis, postgres/),
    });
    expect(await services("start")).toMatchObject({
      code: 1,
      output: expect.stringMatching(/no command "start". Allowed: up, down, status, env/),
    });
    expect((await services("--help")).output).toMatch(/up +starts what is not there/);
    expect(existsSync(join(folder, "redis"))).toBe(false);
  });
});

describe.skipIf(missing)("a server for tests", { timeout: 60_000 }, () => {
  const client = (url: string | undefined) => new Redis(url ?? "", { retryStrategy: () => null }).on("error", () => {});

  it("is the one that is up; cutting its connections cuts only those that were made by its settings", async () => {
    await services("up", "redis");
    const service = await serviceFor("redis");
    const [ours, theirs] = [client(service.settings?.REDIS_URL), client(`redis://127.0.0.1:${state().ports[0]}`)];
    expect(process.env.REDIS_URL).toBe(service.settings?.REDIS_URL);
    await ours.set("n", "1");
    expect(await theirs.get("n")).toBe("1");
    const cut = new Promise((resolve) => ours.once("close", resolve));
    await service.disrupt?.();
    await cut;
    expect(await theirs.get("n")).toBe("1");
    theirs.disconnect();
    await service.stop();
    expect(process.env.REDIS_URL).toBeUndefined();
    expect(lives(pid())).toBe(true);
  });

  it("of its own keeps its port and, if durable, what was acknowledged", async () => {
    const service = await startPrivate("redis", { durable: true });
    const url = service.settings?.REDIS_URL;
    const before = client(url);
    await before.set("n", "1");
    await service.restart();
    const after = client(url);
    expect(await after.get("n")).toBe("1");
    await service.kill();
    expect(
      await client(url)
        .ping()
        .catch(() => "down"),
    ).toBe("down");
    await service.restart();
    expect(await client(url).get("n")).toBe("1");
    await service.stop();
    expect(
      await client(url)
        .ping()
        .catch(() => "down"),
    ).toBe("down");
  });

  it("of its own ends with the process that started it, even by kill -9", async () => {
    const script = `import { startPrivate } from ${JSON.stringify(dist("test/support/services.js"))}; console.log((await startPrivate("redis")).port); setInterval(() => {}, 1e6);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const port = Number(await new Promise((resolve) => child.stdout.once("data", resolve)));
    expect(await client(`redis://127.0.0.1:${port}`).ping()).toBe("PONG");
    child.kill("SIGKILL");
    await vi.waitFor(
      async () =>
        expect(
          await client(`redis://127.0.0.1:${port}`)
            .ping()
            .catch(() => "down"),
        ).toBe("down"),
      { timeout: 5_000 },
    );
  });
});
