/** Programs that outlive us, or that end with us: started, known again by pid and start time, and stopped. POSIX only. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, closeSync, constants, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { sleep } from "../../../src/base/clock.ts";
import type { Command } from "./server.ts";

/** Writes its own pid and start time, then becomes the program: whoever is killed in between, the file is there as soon as the program is. */
const remember = `printf '%s %s\\n' $$ "$(cut -d' ' -f22 /proc/$$/stat 2>/dev/null || ps -o lstart= -p $$)" >"$0.new" && mv "$0.new" "$0" || exit 1`;
/** Kills the whole group once our end of the pipe on its standard input is closed, even by a kill -9 of us. */
const endWithUs = `exec 3<&0; { cat <&3 >/dev/null; kill -s KILL -- -$$; } &`;

interface How {
  readonly pidFile: string;
  readonly log: string;
  /** Ends when this process does. */
  readonly bound: boolean;
}

export function launch({ file, args, env, cwd }: Command, { pidFile, log, bound }: How): ChildProcess {
  rmSync(pidFile, { force: true });
  const output = openSync(log, "w");
  const script = [remember, ...(bound ? [endWithUs] : []), `exec "$@" 3<&- </dev/null`].join("\n");
  const child = spawn("sh", ["-c", script, pidFile, file, ...args], {
    detached: true, // a group of its own, which Ctrl-C does not reach
    stdio: [bound ? "pipe" : "ignore", output, output],
    env: { ...process.env, ...env },
    ...(cwd ? { cwd } : {}),
  });
  closeSync(output);
  child.unref();
  (child.stdin as unknown as { unref?(): void } | null)?.unref?.();
  child.on("error", () => {}); // its exit code says it too
  return child;
}

/** The start time that the system notes for a process; undefined when there is none, or only its remains. */
function startOf(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    if (process.platform === "linux") return undefined;
    return spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).stdout?.trim() || undefined;
  }
}

/** The pid in the file, if it is still the process that wrote it. */
export function pidIn(pidFile: string): number | undefined {
  try {
    const [, pid, start] = /^(\d+) +(.+)$/.exec(readFileSync(pidFile, "utf8").trim()) ?? [];
    return start !== undefined && startOf(Number(pid)) === start.trim() ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

/** What a process writes about itself, for locks. */
export const identity = (pid = process.pid) => `${pid} ${startOf(pid) ?? ""}\n`;

/** Ends the process that wrote the file, if it still runs, and what it started. Answers whether it ran. */
export async function stop(pidFile: string, signal: NodeJS.Signals, graceMs = 15_000): Promise<boolean> {
  const pid = pidIn(pidFile);
  if (pid === undefined) return false;
  const ended = async (withinMs: number) => {
    for (const asked = performance.now(); pidIn(pidFile) !== undefined; await sleep(10))
      if (performance.now() - asked > withinMs) return false;
    return true;
  };
  if (signal !== "SIGKILL") {
    tell(pid, signal);
    await ended(graceMs);
  }
  tell(-pid, "SIGKILL"); // whoever of its group is left, such as a daemon beside it
  if (!(await ended(graceMs))) throw new Error(`process ${pid} does not end, not even by SIGKILL`);
  rmSync(pidFile, { force: true });
  return true;
}

/** Ends a whole group at once; for the moment at which this process exits. */
export function killNow(pidFile: string): void {
  const pid = pidIn(pidFile);
  if (pid !== undefined) tell(-pid, "SIGKILL");
}

/** The process that wrote the file and all that descends from it, whatever group it is in: PostgreSQL's are in many. */
export function familyOf(pidFile: string): readonly number[] {
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const all = stdout.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  const root = pidIn(pidFile);
  const family = root === undefined ? [] : [root];
  for (const parent of family) family.push(...all.flatMap(([pid = 0, ppid]) => (ppid === parent ? [pid] : [])));
  return family;
}

export function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {} // it has ended by itself
}

const listen = (port: number) => {
  const probe = createServer();
  return new Promise<{ port: number; close(): Promise<void> }>((resolve, reject) => {
    probe.once("error", reject);
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      const close = () => new Promise<void>((done) => void probe.close(() => done()));
      resolve({ port: typeof address === "object" && address ? address.port : 0, close });
    });
  });
};

export async function freePorts(count: number): Promise<number[]> {
  const probes = await Promise.all(Array.from({ length: count }, () => listen(0)));
  for (const probe of probes) await probe.close();
  return probes.map(({ port }) => port);
}

export async function areFree(ports: readonly number[]): Promise<boolean> {
  try {
    for (const port of ports) await (await listen(port)).close();
    return true;
  } catch {
    return false;
  }
}

/** The full path of a program: in PATH, else in one of the folders. */
export function which(name: string, folders: readonly string[] = []): string | undefined {
  const paths = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...folders].map((folder) =>
    join(folder, name),
  );
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** What a program prints when asked for its version, or nothing. */
export function ask(file: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(file, args, { encoding: "utf8", timeout: 10_000 });
  return `${stdout ?? ""}${stderr ?? ""}`;
}

export function tail(file: string, lines = 8): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}
