/** The processes of the storm beside old workers, and how they are killed. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { built } from "../conformance/subject.ts";
import type { BesideJob, Role } from "./beside-child.ts";

const module = built(new URL(`./beside-child.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url));

/** Two of ours, so that what one loses the other finds. */
const all: readonly Role[] = ["producer5", "producer6", "producer", "worker5", "worker6", "ours", "ours"];

interface Running {
  readonly role: Role;
  readonly n: number;
  readonly process: ChildProcess;
}

const lives = ({ process }: Running) => process.exitCode === null && process.signalCode === null;
const produces = ({ role }: Running) => role.startsWith("producer");

export function startBeside(job: Omit<BesideJob, "role" | "n">) {
  if (!module) throw new Error('The storm needs "npm run build".');
  const child = fileURLToPath(module);
  const killedAt = new Map<number, number>();
  let counter = 0;

  function start(role: Role): Running {
    const n = counter++;
    const process = fork(child, [JSON.stringify({ ...job, role, n } satisfies BesideJob)], {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      execArgv: [],
    });
    return { role, n, process };
  }

  async function kill(each: Running): Promise<void> {
    if (!lives(each)) return;
    killedAt.set(each.n, Date.now());
    each.process.kill("SIGKILL");
    await once(each.process, "exit");
  }

  const running = all.map(start);
  return {
    /** When each of the killed was killed. */
    killedAt,
    /** Kills one, and starts those that are dead; while too much is open, no producers. */
    async strike(isFull: boolean): Promise<void> {
      await kill(running[Math.floor(Math.random() * running.length)] as Running);
      if (isFull) await Promise.all(running.filter(produces).map(kill));
      for (const [i, each] of running.entries())
        if (!lives(each) && !(isFull && produces(each))) running[i] = start(each.role);
    },
    killProducers: async () => void (await Promise.all(running.filter(produces).map(kill))),
    killAll: async () => void (await Promise.all(running.map(kill))),
  };
}

export type BesideProcesses = ReturnType<typeof startBeside>;
