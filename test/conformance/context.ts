/** What a case gets: a broker of its own, queues with names of their own, and the way to clean up after it. */
import { randomBytes } from "node:crypto";
import type { Broker, BrokerQueue, Features } from "../../src/contract/index.ts";
import { boost, type Task, type TaskConsumer, type TaskParams } from "../../src/index.ts";
import { carrier } from "./carrier.ts";
import type { Case } from "./case.ts";
import { type Child, type ChildOptions, startChild } from "./child-process.ts";
import { type StoreSwitch, switchedStore } from "./store-switch.ts";
import type { ForeignModule, Subject } from "./subject.ts";
import { holds, until, within } from "./until.ts";

// biome-ignore lint/suspicious/noExplicitAny: the bound of every function that can be a task
type AnyFunction = (...args: any[]) => unknown;

export type CaseParams = Omit<TaskParams, "queue" | "broker"> & { readonly queue?: string };

export interface Context {
  /** The broker of this case, in this process. */
  readonly broker: Broker;
  readonly features: Features;
  /** How early something may seem to come: the grain of clocks and timers. */
  readonly earlyMs: number;
  /** How late this engine delivers what is delayed, on an idle machine; `lateMs` allows for a busy one. */
  readonly engineLateMs: number;
  readonly lateMs: number;
  /** `n` messages, fewer on slow engines. */
  many(n: number): number;
  readonly leaseMs: number;
  /** How long a case waits for what must come. */
  readonly patienceMs: number;
  /** A queue name that nobody else has. */
  readonly queue: string;
  /** A task on a queue of this case. */
  task<F extends AnyFunction>(params: CaseParams, fn: F): Task<F>;
  /** Consumes until the case ends. */
  consume(
    task: { consume(options?: { readonly concurrency?: number }): Promise<TaskConsumer> },
    options?: { readonly concurrency?: number },
  ): Promise<TaskConsumer>;
  /** The bare queue of the adapter, without the core. */
  open(queue?: string): Promise<BrokerQueue>;
  /** One more broker of the same kind: another process would have it. */
  another(): Promise<Broker>;
  /** A process of its own that uses the same engine. */
  child(options?: ChildOptions): Promise<Child>;
  until(what: string, condition: () => unknown, ms?: number): Promise<void>;
  holds(what: string, condition: () => unknown, ms: number): Promise<void>;
  /** Publishes with the engine's own client; only where the case says `foreign`. */
  publishForeign(data: unknown): Promise<void>;
  /** Cuts the engine's connections; only where the case says that it disrupts. */
  disrupt(): Promise<void>;
  /** Kills the engine's server, or kills and starts it again over its data; only in restart cases. */
  killServer(): Promise<void>;
  restartServer(): Promise<void>;
  /** Takes the store away and brings it back; only where the case says `outage`. */
  readonly storeSwitch: StoreSwitch;
  /** Runs at the end of the case, last first. */
  defer(clean: () => unknown): void;
}

const closeMs = 10_000;
const clockGrainMs = 20;
const busyMachineMs = 2_000;

/** A context and the function that cleans up after it and says what leaked. */
export async function createContext(
  subject: Subject,
  each: Pick<Case, "outage" | "engine"> = {},
): Promise<{ readonly context: Context; clean(): Promise<void> }> {
  const deferred: (() => unknown)[] = [];
  let over = false;
  // What a case that was given up gets afterwards, such as a process that took too long to start, goes at once.
  const defer = (clean: () => unknown) => void (over ? cleanUp([clean]).catch(() => {}) : deferred.push(clean));
  const make = async () => {
    const broker = await subject.make();
    defer(() => within("broker.close() resolves", broker.close(), closeMs));
    return broker;
  };
  const made = await make();
  const { broker, storeSwitch } = switchable(each.engine === false ? carrier(made) : made, each.outage === true);
  const { patienceMs, leaseMs, lateMs, scale } = subject;
  const queue = `kit-${randomBytes(6).toString("hex")}`;
  const context: Context = {
    broker,
    features: broker.features,
    earlyMs: clockGrainMs,
    engineLateMs: lateMs,
    lateMs: lateMs + busyMachineMs,
    many: (n) => Math.max(2, Math.round(n * scale)),
    leaseMs,
    patienceMs,
    queue,
    task: (params, fn) => boost({ queue, ...params, broker } as TaskParams)(fn as AnyFunction) as Task<typeof fn>,
    async consume(task, options) {
      const consumer = await task.consume(options);
      defer(() =>
        within(
          "consumer.close() resolves: a task still runs at the end of the case",
          consumer.close({ grace: closeMs / 2 }),
          closeMs,
        ),
      );
      return consumer;
    },
    async open(name = queue) {
      const opened = await broker.open({ queue: name, options: {}, leaseMs });
      defer(() => opened.close());
      return opened;
    },
    another: make,
    async child(options = {}) {
      const child = await startChild(subject, queue, options);
      defer(() => child.kill());
      return child;
    },
    until: (what, condition, ms = patienceMs) => until(what, condition, ms),
    holds,
    publishForeign: async (data) =>
      ((await import(String(subject.foreign))) as ForeignModule).publishForeign(subject.settings, queue, data),
    disrupt: async () => subject.disrupt?.(),
    killServer: async () => subject.server?.kill(),
    restartServer: async () => subject.server?.restart(),
    storeSwitch,
    defer,
  };
  const clean = () => {
    over = true;
    return cleanUp(deferred);
  };
  return { context, clean };
}

const noSwitch: StoreSwitch = { off() {}, on() {} };

function switchable(broker: Broker, outage: boolean): ReturnType<typeof switchedStore> {
  return outage ? switchedStore(broker) : { broker, storeSwitch: noSwitch };
}

async function cleanUp(deferred: (() => unknown)[]): Promise<void> {
  let first: unknown;
  for (let clean = deferred.pop(); clean; clean = deferred.pop()) {
    try {
      await clean();
    } catch (error) {
      first ??= error;
    }
  }
  if (first !== undefined) throw first;
}
