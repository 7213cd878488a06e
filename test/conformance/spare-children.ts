/**
 * Child processes that have loaded their modules and wait for a job: each is handed out once, and replaced in the
 * background.
 */
import { type ChildProcess, fork } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";

/** Most cases start one or two. */
const spares = 2;
/** By then the one that was taken has connected: the next ones do not load beside it. */
const refillMs = 1_000;
const waiting = new Map<string, ChildProcess[]>();

/** One that waits, else a new one. */
export function takeChild(module: URL, create: URL): ChildProcess {
  const list = waiting.get(create.href) ?? [];
  const alive = list.filter(({ connected, exitCode }) => connected && exitCode === null);
  const child = alive.shift() ?? start(module, create);
  waiting.set(create.href, alive);
  setTimeout(() => {
    const list = waiting.get(create.href) ?? [];
    while (list.length < spares) list.push(idle(start(module, create)));
  }, refillMs).unref();
  return awake(child);
}

const start = (module: URL, create: URL) =>
  fork(fileURLToPath(module), [create.href], { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });

/** Keeps no process from ending; ends with it, as its channel closes. */
function idle(child: ChildProcess): ChildProcess {
  child.unref();
  child.channel?.unref();
  (child.stderr as Socket | null)?.unref();
  return child;
}

function awake(child: ChildProcess): ChildProcess {
  child.ref();
  child.channel?.ref();
  (child.stderr as Socket | null)?.ref();
  return child;
}
