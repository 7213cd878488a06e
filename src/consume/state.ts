/** What a consumer keeps account of, from before it consumes to its end. Types only. */
import type { Fields } from "../base/events.ts";
import type { Consumer } from "../contract/broker.ts";
import type { Live } from "../queue/live-watch.ts";
import type { RunHost } from "../run/task-run.ts";
import type { OpenTask } from "../setup/model.ts";
import type { Slots } from "../slots/slots.ts";
import type { Concurrency } from "./concurrency.ts";
import type { ConsumerEvents } from "./consumer-events.ts";
import type { Crew } from "./crew.ts";
import type { Blockers, HoldReason } from "./hold-reason.ts";
import type { LeaseTrust } from "./lease-trust.ts";
import type { StartRate } from "./start-rate.ts";
import type { Trouble } from "./trouble.ts";

export interface ConsumerOptions {
  /** Those of its queue, first the one whose queue is consumed. */
  readonly tasks: readonly [OpenTask, ...OpenTask[]];
  readonly concurrency: number;
}

export interface ConsumerState {
  readonly task: OpenTask;
  /** Its queue and broker, as each event names them. */
  readonly where: Fields;
  readonly slots: Slots;
  readonly host: Omit<RunHost, "filter" | "tally">;
  readonly crew: Crew;
  readonly concurrency: Concurrency;
  readonly startRate: StartRate;
  readonly blockers: Blockers;
  readonly leaseTrust: LeaseTrust;
  readonly events: ConsumerEvents;
  readonly trouble: Trouble;
  /** Set when what is set for all processes has been read. */
  live: Live | undefined;
  /** Set when it consumes. */
  engine: Consumer | undefined;
  /** Set when it is watched over. */
  holdReason: (() => HoldReason | undefined) | undefined;
  /** What ends all that goes on beside the engine. */
  readonly upkeep: (() => Promise<void>)[];
}

/** One that consumes. */
export interface ActiveConsumer extends ConsumerState {
  readonly engine: Consumer;
}
