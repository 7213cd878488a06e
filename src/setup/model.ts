/** What boost() was given, and what it becomes when it is opened. Types only. */
import type { Logger } from "../base/log.ts";
import type { BrokerQueue, Features, Message, Published } from "../contract/broker.ts";
import type { Store } from "../contract/store.ts";
import type { ArgsTexts, RowOutcome } from "../options/record.ts";
import type { Options, TaskParams } from "../options/task.ts";
import type { Listeners } from "../task/listeners.ts";
import type { AnyFunction, Signature } from "../wire/signature.ts";

/**
 * What becomes of a message whose name no task of the process has: it fails, it counts as done, or it waits for others.
 */
export type UnknownJobs = "fail" | "complete" | "leave";

/** What boost() was given, before anything is opened. */
export interface Definition {
  /** Changed by adopt(), before they are read. */
  params: TaskParams;
  /** Absent for a publisher, which holds no worker code. */
  readonly fn: AnyFunction | undefined;
  readonly signature: Signature;
  /** Of its queue, where adopt() says. */
  unknown?: UnknownJobs | undefined;
  /** Of task.on(). */
  readonly listeners: Listeners;
  /** The public object made from it. */
  task: unknown;
  /** Set once it is open, so that the hot path needs no await. */
  open: OpenTask | undefined;
  opening: Promise<OpenTask> | undefined;
}

/** A task's queue, and where its state is kept: what most of what is done with a task needs. */
export interface OpenQueue {
  readonly options: Options;
  readonly brokerName: string;
  readonly queue: BrokerQueue;
  readonly store: Store | undefined;
  /** The queue's name in the store. */
  readonly scope: string;
  readonly leaseMs: number;
  readonly log: Logger;
  readonly listeners: Listeners;
}

/** A definition made ready: options, broker, store and queue. */
export interface OpenTask extends OpenQueue {
  readonly definition: Definition;
  /** Where the broker connects to, as far as it tells. */
  readonly address: string | undefined;
  /** What a run calls; absent where nothing runs. */
  readonly call: AnyFunction | undefined;
  /** What the engine does by itself. */
  readonly native: Features;
  /** Made at the first row; absent without `record`. */
  recorder: Recorder | undefined;
  /** Made at the first single push. */
  outbox: Outbox | undefined;
  /** The dead-letter queue, opened when first needed. */
  deadLetters(): Promise<BrokerQueue>;
}

/** Sends one message, with others of its tick. */
export type Outbox = (message: Message) => Promise<Published>;

/** Keeps a task's rows. */
export interface Recorder {
  /** Resolves when the row is kept. `json`: the outcome, where its text is there already. */
  keep(outcome: RowOutcome, args: ArgsTexts, json?: string): Promise<void>;
  readonly lease: RunLease;
}

/** Of the rows of starts: held while this process lives and runs this queue's tasks. */
export interface RunLease {
  /** Rows name it by this. */
  readonly id: string;
  /** A run has begun; each has one end. */
  begin(): void;
  end(): void;
  /** Before a row that names it is written. */
  hold(): Promise<void>;
}
