/** Look before you leap: what is in a queue that others fill, and repeats of older versions made good. */
import { describe, FunboostError } from "../base/errors.ts";
import type { Broker, Inspection, InspectSpec, RepairedRepeats } from "../contract/broker.ts";
import type { BrokerChoice } from "../contract/brokers.ts";
import { type Checks, checkMembers, isRecord, refuseOption } from "../options/checks.ts";
import { nameOfBroker } from "../setup/definition.ts";
import { openBroker } from "../setup/open-broker.ts";
import { inspectionText } from "./inspection-text.ts";

export interface InspectOptions {
  readonly broker: BrokerChoice;
  readonly queue: string;
  /** As a task's. */
  readonly brokerOptions?: Readonly<Record<string, unknown>>;
}

export interface RepairOptions extends InspectOptions {
  /** By name or key of a repeat: what its jobs are given, where that is lost. @default {} */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** What is in a queue; as a text it is a report. */
export interface QueueInspection extends Inspection {
  readonly broker: string;
  readonly queue: string;
  toString(): string;
}

const record = (value: unknown, name: string) => (isRecord(value) ? undefined : refuseOption(name, value, "an object"));
const checks: Checks = {
  broker: (value, name) =>
    typeof value === "string" || isRecord(value) ? undefined : refuseOption(name, value, "a broker or its name"),
  queue: (value, name) =>
    typeof value === "string" && value !== "" ? undefined : refuseOption(name, value, "the queue's name"),
  brokerOptions: record,
};

/**
 * Reads what is in a queue, whoever put it there, and says what each thing means for a task on it. It changes nothing,
 * and of a large queue it reads a part. On BullMQ, for queues of Bull 4 and BullMQ 3 to 6.
 *
 * @example
 * console.log(String(await inspectQueue({ broker: "bullmq", queue: "mail" })));
 */
export async function inspectQueue(options: InspectOptions): Promise<QueueInspection> {
  const { broker, spec } = await opened(options, checks, "inspectQueue");
  if (!broker.inspect) throw unsupported(broker, "inspectQueue", "task.counts(), which each task has");
  const found = { broker: broker.name, queue: spec.queue, ...(await broker.inspect(spec)) };
  return Object.defineProperty(found, "toString", { value: () => inspectionText(found) });
}

/**
 * Turns the repeats of BullMQ 3 to 5 and Bull 4 into schedulers, with their data, options, times and limits. Stop what
 * adds them in the old way first. Answers what was repaired, and what has no data and was left.
 *
 * @example
 * const { left } = await repairRepeats({ broker: "bullmq", queue: "mail", data: { digest: { to: "all" } } });
 */
export async function repairRepeats(options: RepairOptions): Promise<RepairedRepeats> {
  const { broker, spec } = await opened(options, { ...checks, data: record }, "repairRepeats");
  if (!broker.repairRepeats) throw unsupported(broker, "repairRepeats", "nothing: it has no repeats of older versions");
  return broker.repairRepeats(spec, options.data ?? {});
}

async function opened(options: InspectOptions, all: Checks, name: string) {
  if (!isRecord(options) || options.broker === undefined || options.queue === undefined) {
    const text = `${name}() takes { broker, queue }, got ${describe(options)}.`;
    throw new FunboostError("BAD_OPTION", text);
  }
  checkMembers({ ...options }, all);
  const { broker } = await openBroker(options.broker as string | Broker);
  const spec: InspectSpec = { queue: options.queue, options: options.brokerOptions ?? {} };
  return { broker, spec };
}

function unsupported(broker: Broker, name: string, instead: string): FunboostError {
  return new FunboostError("UNSUPPORTED", `has no ${name}(), only bullmq has. Instead: ${instead}.`, {
    where: nameOfBroker(broker),
  });
}
