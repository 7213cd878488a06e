/** The parent's side of a child process: starts it, sees what it reports, calls it, kills it. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { ChildJob, Dying, Report } from "./child.ts";
import { takeChild } from "./spare-children.ts";
import { built, type Subject } from "./subject.ts";
import { until, within } from "./until.ts";

export interface ChildOptions {
  /** Options of the child's task; JSON only. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** What it does with a message; see `behaviours` in child.ts. @default "work" */
  readonly behaviour?: ChildJob["behaviour"];
  /** Consume at once. @default true */
  readonly consume?: boolean;
  /** Reports how the engine took the end of each delivery, as "settled". @default false */
  readonly settlements?: boolean;
  /** Handlers for SIGTERM, as users have them. @default false */
  readonly signals?: boolean;
  /** Milliseconds that its wall clock is ahead of (or, negative, behind) the real one. @default 0 */
  readonly clockMs?: number;
  /** Kills itself when its task is done. @default never */
  readonly dies?: Dying;
}

export interface Child {
  readonly pid: number;
  /** What its tasks reported, in order. */
  readonly reports: Report[];
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Calls a method of its task or, with "consumer.", of its consumer. */
  call(method: string, ...args: unknown[]): Promise<unknown>;
  /** Reports of this kind, such as "start" or "end". */
  seen(kind: Report["kind"]): Report[];
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** Closes the channel, so that it does not keep the child alive. */
  disconnect(): void;
}

const startMs = 60_000; // many at once, on a machine that does other things too

export function childModule(): URL | undefined {
  return built(new URL(import.meta.url.endsWith(".ts") ? "./child.ts" : "./child.js", import.meta.url));
}

/** Why child processes cannot be started here; undefined when they can. */
export function whyNoChildren(subject: Subject): string | undefined {
  if (!childModule() || !built(subject.create))
    return "child processes run from dist, which is not built: npm run build";
  // An old build would prove nothing about these sources: the tests' global setup makes a new one and says so.
  const own =
    subject.create.href.endsWith(".ts") && !process.env.FUNBOOST_TEST_BUILT && !process.env.FUNBOOST_TEST_DIST;
  return own ? "child processes run from dist, and nobody has just built it: npm test does" : undefined;
}

export async function startChild(subject: Subject, queue: string, options: ChildOptions): Promise<Child> {
  const module = childModule();
  const create = built(subject.create);
  assert.ok(module && create, "child processes run from dist, which is not built: npm run build");
  const {
    params = {},
    behaviour = "work",
    consume = true,
    settlements = false,
    signals = false,
    clockMs = 0,
    dies,
  } = options;
  const { settings, leaseMs } = subject;
  const job: ChildJob = {
    create: create.href,
    settings,
    leaseMs,
    queue,
    params,
    behaviour,
    consume,
    settlements,
    signals,
    clockMs,
    dies,
  };
  const child = takeChild(module, create);
  const reports: Report[] = [];
  const calls = new Map<number, (report: Report) => void>();
  let stderr = "";
  child.stderr?.on("data", (chunk) => (stderr = (stderr + chunk).slice(-4000)));
  child.on("message", (message) => {
    const report = message as Report;
    if (report.kind === "answer") calls.get(report.call ?? -1)?.(report);
    else reports.push(report);
  });
  child.send(job, () => {}); // where it could not start, its end says so
  const exited = once(child, "exit").then(([code, signal]) => {
    for (const settle of calls.values())
      settle({ kind: "answer", error: `the child has exited (${code ?? signal}) ${stderr}` });
    return { code: code as number | null, signal: signal as string | null };
  });
  const gone = () => child.exitCode !== null || child.signalCode !== null;
  await until(
    "the child process is ready",
    () => gone() || reports.some(({ kind }) => kind === "ready"),
    startMs,
  ).catch((error: unknown) => {
    child.kill("SIGKILL");
    throw error;
  });
  // A child that a message has killed at once did start.
  assert.ok(child.exitCode === null, `the child process could not start: ${stderr}`);
  return {
    pid: child.pid ?? 0,
    reports,
    exited,
    seen: (kind) => reports.filter((each) => each.kind === kind),
    ...controls(child, calls, exited, gone),
  };
}

function controls(
  child: ChildProcess,
  calls: Map<number, (report: Report) => void>,
  exited: Promise<unknown>,
  gone: () => boolean,
) {
  let last = 0;
  return {
    async call(method: string, ...args: unknown[]): Promise<unknown> {
      const call = ++last;
      const answer = new Promise<Report>((resolve) => calls.set(call, resolve));
      child.send({ call, method, args }, () => {});
      const { error, value } = await within(`the child answers ${method}()`, answer, startMs);
      calls.delete(call);
      if (error !== undefined) throw new Error(String(error));
      return value;
    },
    async kill() {
      if (!gone()) child.kill("SIGKILL");
      await exited;
    },
    signal: (name: NodeJS.Signals) => void child.kill(name),
    disconnect: () => child.disconnect(),
  };
}
