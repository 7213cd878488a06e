/** A process of the qps test: consumes queues of several engines, and writes down when each run starts, so that nothing is lost when it is killed. */
import { subscribe } from "node:diagnostics_channel";
import { openSync, writeSync } from "node:fs";
import { redisStore } from "../../adapters/redis/store.ts";
import { sqlite } from "../../adapters/sqlite/broker.ts";
import { sleep } from "../../src/base/clock.ts";
import type { Broker } from "../../src/contract/index.ts";
import { boost, configure, fct, shutdown, type Task, type TaskConsumer, type TaskParams } from "../../src/index.ts";
import { machineMs, watchStalls } from "../conformance/machine.ts";
import { create } from "./engines.ts";
import { withStore } from "./with-store.ts";

export interface QpsJob {
  /** What is written: a line `queue time` for each start, `queue limits time` when a live change is in force, `stalled time ms` for what the machine took away. */
  readonly file: string;
  readonly queues: readonly QpsQueue[];
}

export interface QpsQueue {
  readonly queue: string;
  /** As `create` of engines.ts takes them; `engine: "sqlite"` with `file`; `storeUrl`: a Redis store beside the engine. */
  readonly settings: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, unknown>>;
  readonly concurrency: number;
  /** How long each run takes here, whatever its message says. */
  readonly runMs?: number;
}

export interface QpsCall {
  readonly call: number;
  readonly method: "join" | "leave" | "setQps" | "end";
  readonly queue?: string;
  readonly value?: unknown;
}

const brokers = new Map<string, Broker>();
function brokerOf(settings: QpsQueue["settings"]): Broker {
  const key = JSON.stringify(settings);
  const made = brokers.get(key) ?? make(settings);
  brokers.set(key, made);
  return made;
}

function make(settings: QpsQueue["settings"]): Broker {
  const { engine, file, storeUrl } = settings;
  if (engine === "sqlite" && file) return sqlite({ file });
  return storeUrl ? withStore(create(settings), redisStore({ url: storeUrl })) : create(settings);
}

interface Joined {
  readonly task: Task<(n: number, ms: number) => Promise<void>>;
  consumer?: TaskConsumer | undefined;
}

function main({ file, queues }: QpsJob): void {
  const out = openSync(file, "a");
  configure({ signals: false, log: { level: "silent" } });
  const write = (line: string) => void writeSync(out, `${line}\n`);
  watchStalls(({ at, ms }) => write(`stalled ${at} ${ms}`));
  subscribe("funboost:queue:limits", (message) =>
    write(`${(message as { queue: string }).queue} limits ${machineMs()}`),
  );
  const tasks = new Map<string, Joined>();
  for (const { queue, settings, params, runMs } of queues) {
    const work = async (_n: number, ms: number) => {
      write(`${queue} ${machineMs()}`);
      await sleep(runMs ?? ms, { signal: fct.signal });
    };
    tasks.set(queue, {
      task: boost(
        { queue, params: ["n", "ms"], maxRetries: 0, ...params, broker: brokerOf(settings) } as TaskParams,
        work,
      ) as Joined["task"],
    });
  }
  process.on("message", (message) => {
    const { call } = message as QpsCall;
    perform(queues, tasks, message as QpsCall).then(
      () => process.send?.({ call }),
      (error: Error) => process.send?.({ call, error: error.stack }),
    );
  });
  process.on("disconnect", () => process.exit(1));
  process.send?.("ready");
}

async function perform(
  queues: readonly QpsQueue[],
  tasks: ReadonlyMap<string, Joined>,
  { method, queue, value }: QpsCall,
): Promise<void> {
  if (method === "end") return void (await shutdown({ grace: 0 }));
  const joined = tasks.get(queue ?? "");
  const spec = queues.find((each) => each.queue === queue);
  if (!joined || !spec) throw new Error(`not a queue of this process: ${queue}`);
  if (method === "setQps") return joined.task.setQps(value as number);
  if (method === "join") {
    joined.consumer = await joined.task.consume({ concurrency: spec.concurrency });
    return;
  }
  await joined.consumer?.close({ grace: 0 });
}

main(JSON.parse(process.argv[2] ?? "{}") as QpsJob);
