/** The parent's side of the qps tests: processes that consume together, what they wrote down, and queues that are full of work for them. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Stall, tickMs } from "../conformance/machine.ts";
import { built } from "../conformance/subject.ts";
import { within } from "../conformance/until.ts";
import type { QpsCall, QpsJob, QpsQueue } from "./qps-child.ts";

export interface QpsProcess {
  call(method: QpsCall["method"], queue?: string, value?: unknown): Promise<void>;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  lines(): string[];
}

const callMs = 60_000;

export async function startQpsProcess(file: string, queues: readonly QpsQueue[]): Promise<QpsProcess> {
  const module = built(new URL(import.meta.url.endsWith(".ts") ? "./qps-child.ts" : "./qps-child.js", import.meta.url));
  if (!module) throw new Error("processes run from dist, which is not built: npm run build");
  const job: QpsJob = { file, queues };
  const child = fork(fileURLToPath(module), [JSON.stringify(job)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: [],
  });
  await within("a process is ready", once(child, "message"), callMs);
  const gone = once(child, "exit");
  const answers = new Map<number, (error: string | undefined) => void>();
  child.on("message", ({ call, error }: { readonly call: number; readonly error?: string }) =>
    answers.get(call)?.(error),
  );
  void gone.then(() => answers.forEach((answer) => answer("it has ended")));
  let last = 0;
  return {
    async call(method, queue, value) {
      const call = ++last;
      const answered = new Promise<string | undefined>((resolve) => answers.set(call, resolve));
      child.send({
        call,
        method,
        ...(queue === undefined ? {} : { queue }),
        ...(value === undefined ? {} : { value }),
      } satisfies QpsCall);
      const error = await within(`a process answers ${method} ${queue ?? ""}`, answered, callMs);
      if (error !== undefined) throw new Error(error);
    },
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
    lines: () => readFileSync(file, "utf8").split("\n").slice(0, -1),
  };
}

/** Times that a process wrote down behind these words. */
export function timesOf(process: QpsProcess, words: string): number[] {
  const lines = process.lines().filter((line) => line.startsWith(`${words} `));
  return lines.map((line) => Number(line.slice(words.length + 1))).filter((time) => !Number.isNaN(time));
}

export function stallsOf(process: QpsProcess): Stall[] {
  const lines = process.lines().map((line) => line.split(" "));
  return lines.flatMap(([word, at, ms]) => (word === "stalled" ? [{ at: Number(at), ms: Number(ms) }] : []));
}

/** A run's start by the machine's clock. Its process was let go again between `from` and `at`, or did not stand still: then both are the same. */
export interface Start {
  readonly at: number;
  readonly from: number;
}

/** In order. */
export function startsOf(processes: readonly QpsProcess[], queue: string): Start[] {
  const starts = processes.flatMap((each) => {
    const stalls = stallsOf(each);
    return timesOf(each, queue).map((at) => {
      const stall = stalls.find((stall) => at > stall.at - stall.ms && at <= stall.at + tickMs);
      return { at, from: stall ? stall.at - stall.ms : at };
    });
  });
  return starts.sort((one, other) => one.at - other.at);
}

/** Most starts in any time of so long that begins with one; that one may have been due when its process stood still. */
export function busiest(starts: readonly Start[], ms: number, first: keyof Start = "from"): number {
  return starts.reduce((most, start, i) => {
    let end = i;
    while (end < starts.length && (starts[end] as Start).at - start[first] < ms) end++;
    return Math.max(most, end - i);
  }, 0);
}
