/**
 * What a broker implements. Types only.
 *
 * Vocabulary
 * - broker:     one engine with its connection: memory, SQLite, BullMQ, ...
 * - queue:      a named place in a broker where messages wait.
 * - job:        a message's name, which tells the tasks of one queue apart. Most queues have one task, and no names.
 * - message:    what is published: a body and how the engine is to treat it.
 * - delivery:   one message handed to this process once; a redelivered message is a new delivery of the same id.
 * - attempt:    counts runs that the user's function ended by itself: 1, 2, 3. A crash does not raise it.
 * - crash:      a delivery that was lost with its process, started or not.
 * - settlement: how a delivery ends. The core decides it, the adapter carries it out.
 * - window:     how many unsettled deliveries an adapter may hold.
 * - lane:       an ordinary queue `<queue>.<lane>` that is consumed beside the main one, under one window.
 * - ahead:      a message that goes before all that waits, last in first out: children of a running task.
 * - lease:      the time for which a delivery is ours; renewed while it runs, given to others when it ends.
 */
import type { Ended, ResultOptions } from "./ended.ts";
import type { Features } from "./features.ts";
import type { Inspection, InspectSpec, RepairedRepeats } from "./inspection.ts";
import type { Children, Facts, Peeked, Retries, Rules, Stored } from "./jobs.ts";
import type { Store } from "./store.ts";

export type { Ended, FinalStatus, ResultOptions } from "./ended.ts";
export type { Features } from "./features.ts";
export type { Inspection, InspectSpec, RepairedRepeats, Repeat } from "./inspection.ts";
export type { Children, Facts, Peeked, Retries, Rules, Stored } from "./jobs.ts";

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
/** JSON leaves `undefined` members out. A bigint occurs only where a text had an integer that no number holds. */
export type JsonObject = { [key: string]: unknown };
/** A body that is JSON already. `bodyText` and `bodyValue` of `funboost/adapter` read it. */
export type JsonText = { readonly text: string; toJSON(): unknown };

/** `QueueOptions` is the type of a task's `brokerOptions`. */
export interface Broker<QueueOptions = unknown> {
  /** Never there: for its type. */
  readonly queueOptions?: QueueOptions;
  /** The catalog's word for it: lower case, as in `broker: "sqlite"`. */
  readonly name: string;
  /** Best case of this engine: what it can never do is refused before connecting. */
  readonly features: Features;
  /**
   * Declares the queue; connects at the first call. Rejects with code BROKER_DOWN when unreachable, BROKER_REFUSED when
   * it would never work (password, version, name).
   */
  open(spec: QueueSpec): Promise<BrokerQueue>;
  /**
   * The shared state on this broker's own server, where it can hold one. Asked once; closed with the broker.
   * `configured`: what the user has set. None: that is used.
   */
  store?(configured?: Store): Promise<Store | undefined>;
  /** What is in a queue, whoever put it there, and what that means here. It reads only, a bounded part of it. */
  inspect?(spec: InspectSpec): Promise<Inspection>;
  /** Repeats of older versions of the engine become such as this one keeps. `data`: of those that have lost theirs. */
  repairRepeats?(spec: InspectSpec, data: Readonly<Record<string, unknown>>): Promise<RepairedRepeats>;
  /** Where it connects to, without secrets: for the log. */
  address?(): string;
  /** Closes what this broker opened and nothing else. May be called twice. */
  close(): Promise<void>;
}

export interface QueueSpec {
  readonly queue: string;
  /** The task's `brokerOptions`, passed through. */
  readonly options: Readonly<Record<string, unknown>>;
  /** How long a delivery is ours without renewal, in milliseconds. */
  readonly leaseMs: number;
  /** How long callers wait for a publish, in milliseconds: later nothing is sent. @default 10_000 */
  readonly publishTimeoutMs?: number;
  /** True: what others published is taken over with its own rules, and what they keep of what has ended stays. */
  readonly adopt?: boolean;
}

export interface BrokerQueue {
  /** What this server, version and queue really have. */
  readonly features: Features;
  /** How many deliveries are worth holding unstarted: 0 where fetching one costs nothing (memory, BullMQ). */
  readonly lookahead: number;
  /** True: it keeps bodies as values. Absent: what users publish comes as `JsonText`. */
  readonly keepsValues?: boolean;
  /** What the engine knows of a delivery beside what that says. Absent: nothing. */
  facts?(delivery: Delivery): Facts;
  /** True: it keeps a message's `job` beside its body. Absent: the core writes it into the body. */
  readonly keepsJob?: boolean;
  /** The queue's name in a store, where its name is not unique on its server (prefix, schema). Default: its name. */
  readonly scope?: string;
  /**
   * Resolves in order when all are accepted; else rejects, where it knows with `accepted: string[]` (ids) on the error.
   * `publish([])` does nothing. Messages of one tick are sent together.
   */
  publish(messages: readonly Message[]): Promise<readonly Published[]>;
  /**
   * Resolves when connected. Fetches nothing until `setWindow`. Trouble with the engine goes to `onError`, is retried
   * with backoff, and never ends the consumer.
   */
  consume(handler: Handler, options: ConsumeOptions): Promise<Consumer>;
  /** Closes this queue only; its consumers first. */
  close(): Promise<void>;
  /** Messages that wait; `running` where the engine knows what all processes hold. */
  count?(): Promise<Counts>;
  /** Removes what waits and is delayed, never what runs. */
  clear?(): Promise<void>;
  /** The first `n` that wait, without taking them. */
  peek?(n: number): Promise<readonly Peeked[]>;
  setPaused?(paused: boolean): Promise<void>;
  paused?(): Promise<boolean>;
  /** Removes those of these messages that wait or are delayed; answers the ids that it removed. */
  cancel?(ids: readonly string[]): Promise<readonly string[]>;
  /** Makes the signals of those that run abort with CANCELLED; answers their ids. Absent: they are told by a store. */
  askToEnd?(ids: readonly string[]): Promise<readonly string[]>;
  /** Undefined: it cannot be told, as what a timer holds. */
  state?(id: string): Promise<MessageState | undefined>;
  /** How a message ended, as the engine keeps it; absent where the store does. Undefined: not ended, or forgotten. */
  result?(id: string, options: ResultOptions): Promise<Ended | undefined>;
  /** When one runs that waits or is delayed: so much from now. False: it runs, is over, or is not known. */
  reschedule?(id: string, change: { readonly delayMs: number }): Promise<boolean>;
  /** How a message ended that other code ran, as the engine keeps it. Undefined: nobody else ended it, or forgotten. */
  endedElsewhere?(id: string): Promise<Ended | undefined>;
  /** Where the engine's own tools show how far a run is, and what it says. */
  readonly tools?: EngineTools;
  /**
   * The body of one that waits or is delayed becomes what `edit` makes of it; undefined: it stays. False as above.
   * `edit` may be called more than once, and what it throws comes out.
   */
  update?(id: string, edit: (stored: Stored) => Message["body"] | undefined): Promise<boolean>;
  /** Of one that was published to wait for others: how those ended. Absent: this engine has no such messages. */
  children?(delivery: Delivery): Promise<Children>;
  /**
   * Gives back what dead processes held, prunes what is over. Idempotent; called by the core every quarter of a lease,
   * by one process where there is a store. A lease that has lapsed may be a living holder's, if the server stood still:
   * he renews it as long as nobody else has it, and is given time for that before it is taken.
   */
  maintain?(signal: AbortSignal): Promise<void>;
}

export interface EngineTools {
  progress(delivery: Delivery, value: unknown): Promise<void>;
  /** Absent: the engine has no such thing. */
  log?(delivery: Delivery, line: string): Promise<void>;
}

export interface Message {
  /** Unique in its queue. Absent: the engine makes one (only where `features.ids`). */
  readonly id?: string;
  /** An object; or, raw, any JSON value. Engines that hold text send a string as it is. Nobody changes it later. */
  readonly body: JsonObject | JsonValue | JsonText;
  readonly delayMs?: number;
  /** -1000 to 1000, bigger is sooner, 0 is none. */
  readonly priority?: number;
  readonly ahead?: boolean;
  /** Attempt of the next delivery; set by emulations that republish. Default 1. */
  readonly attempt?: number;
  /** Epoch milliseconds; set by emulations that republish. Default: now. */
  readonly publishedAt?: number;
  /** Its name; only where the queue keeps it. */
  readonly job?: string;
  /** What workers of others may do that take it; only where the queue keeps names. Ours ask the task. */
  readonly retries?: Retries;
  /**
   * True: its id was looked for among those that have ended, and not found. Who forgets ids at their end must still
   * know those that have ended since. A redrive uses an id again.
   */
  readonly once?: boolean;
  /** It is of others, and is published as they did, without our mark: what `rules.foreign` told. `body` is its data. */
  readonly foreign?: Readonly<Record<string, unknown>>;
  /** This engine's own options for the message. */
  readonly native?: Readonly<Record<string, unknown>>;
}

export interface Published {
  readonly id: string;
  /** True: this id was known, nothing was published. */
  readonly existing?: boolean;
}

export interface Counts {
  readonly ready: number;
  readonly delayed: number;
  /** Delivered and not settled, in all processes. */
  readonly running?: number;
}

export type MessageState = "waiting" | "delayed" | "running" | "done" | "failed" | "unknown";

export interface ConsumeOptions {
  /** True: deliveries carry `signal`, aborted when the engine takes them away. False costs less. */
  readonly signal: boolean;
  /**
   * Called once for each delivery when its settlement is in force ("applied") or came too late ("stale": lease lost,
   * message gone).
   */
  onSettled(delivery: Delivery, how: "applied" | "stale"): void;
  /** Trouble with the engine, each time; the core says it once. */
  onError(error: Error): void;
}

export interface Consumer {
  /** At most `n` unsettled deliveries from now on; 0 fetches nothing. 0 until the first call. Cheap. */
  setWindow(n: number): void;
  /** Extends the leases of all it holds; called every third of a lease. Absent where the client renews. */
  renew?(): Promise<void>;
  /** Ids of what it holds; the last fetch on the monotonic clock, in milliseconds. */
  status(): { readonly held: readonly string[]; readonly lastFetchAt?: number };
  /** Stops fetching, waits until what is held has settled, and flushes. `force`: at once; the rest is redelivered. */
  close(options?: { readonly force?: boolean }): Promise<void>;
}

export interface Delivery {
  readonly id: string;
  /** Text where the engine holds text, else the JSON value. The core changes nothing in it, and users get copies. */
  readonly body: unknown;
  /** Why the body cannot be read, where others wrote what no body can be: a bad message. `body` is a text of it. */
  readonly unreadable?: string;
  readonly attempt: number;
  /** Deliveries of this message that were lost with their process; kept when one is returned, postponed or retried. */
  readonly crashes?: number;
  readonly ahead?: boolean;
  /** Its name, where the engine keeps one. Absent: it is in the body, or there is none. */
  readonly job?: string;
  /** Epoch milliseconds. */
  readonly publishedAt?: number;
  readonly signal?: AbortSignal;
  /** Only on what others published, where its engine has rules for it: `body` is its data then, and no envelope. */
  readonly rules?: Rules;
  /** The engine's own object for it. */
  readonly native: unknown;
}

/** Never rejects. Called as soon as a delivery is there; calls may overlap up to the window. */
export type Handler = (delivery: Delivery) => Promise<Settlement>;

export type Settlement =
  /** `record`: only where the queue has `result` and somebody may ask for it; without the result itself. */
  | { readonly outcome: "done"; readonly result?: unknown; readonly record?: Ended }
  /** Final. */
  | { readonly outcome: "failed"; readonly error: Error; readonly record?: Ended }
  /** Again after `delayMs`, attempt + 1. */
  | { readonly outcome: "retry"; readonly error: Error; readonly delayMs: number }
  /** Again after `delayMs`, attempt unchanged, behind what waits. */
  | { readonly outcome: "postponed"; readonly delayMs: number }
  /** The run itself has moved it: `by`, which `rules.reads` knows, tells the engine. Nothing is counted or recorded. */
  | { readonly outcome: "moved"; readonly by: unknown }
  /** Untouched, to the front, no crash counted; only for a delivery whose run has not started. */
  | { readonly outcome: "returned" };

/** What the catalog loads. `url` is from `configure({ brokers })` or the environment; without options: the default. */
export type BrokerFactory = (options?: Readonly<Record<string, unknown>>) => Broker;
