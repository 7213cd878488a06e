/** The tasks of one queue under one consumer: each message goes to the task whose name it bears. */
import type { Delivery } from "../contract/broker.ts";
import { createFilter, type Filter } from "../filter/on-run.ts";
import { newTally, type Tally, tallyFields } from "../queue/tally.ts";
import { anyJob, jobOf } from "../run/attempt.ts";
import { createRunner, type Runner } from "../run/run.ts";
import type { RunHost } from "../run/task-run.ts";
import { createUnknownRunner } from "../run/unknown.ts";
import { definitionOn, isAlone } from "../setup/definition.ts";
import type { Definition, OpenQueue, OpenTask, UnknownJobs } from "../setup/model.ts";
import { openTask } from "../setup/open.ts";
import type { RunEnd } from "../slots/slot.ts";

/** One task, and what it has done here. */
export interface Member {
  readonly task: OpenTask;
  readonly tally: Tally;
  readonly filter: Filter | undefined;
  readonly run: Runner;
}

export interface Crew {
  /** Gives a delivery to its task. */
  readonly run: Runner;
  /** What all have done. */
  readonly tally: Tally;
  /** Also those in whose place another has come: their runs go on. */
  readonly members: readonly Member[];
  /** In the place of an older one of its name. */
  add(task: OpenTask): void;
  stop(): Promise<void>;
}

interface State {
  readonly host: Omit<RunHost, "filter" | "tally">;
  readonly report: (error: unknown) => void;
  readonly definition: Definition;
  readonly byJob: Map<string | undefined, Member>;
  readonly members: Member[];
  /** The only task, which takes whatever comes under whatever name. */
  sole: Member | undefined;
}

/** A task that cannot be opened now is tried again. */
const notNow: RunEnd = { settlement: { outcome: "postponed", delayMs: 1_000 } };

export function createCrew(
  tasks: readonly [OpenTask, ...OpenTask[]],
  host: State["host"],
  report: State["report"],
): Crew {
  const [first] = tasks;
  const { definition } = first;
  const state: State = { host, report, definition, byJob: new Map(), members: [], sole: undefined };
  const unknown = { tally: newTally(), filter: undefined };
  const known = () => [...state.byJob.keys()].filter((job) => job !== undefined);
  const policy = () => policyOf(first, state.members);
  const refuse = createUnknownRunner(first, { ...host, ...unknown }, policy, known);
  const runLate: Runner = (delivery, slot) =>
    late(state, delivery).then(
      (found) => (found?.run ?? refuse)(delivery, slot),
      (error: unknown) => {
        report(error);
        return notNow;
      },
    );
  for (const task of tasks) add(state, task);
  return {
    run: (delivery, slot) =>
      (soleOf(state) ?? memberFor(state, delivery))?.run(delivery, slot) ?? runLate(delivery, slot),
    tally: sumOf(unknown.tally, state.members),
    members: state.members,
    add: (task) => void add(state, task),
    stop: async () => void (await Promise.all(state.members.map(({ filter }) => filter?.stop()))),
  };
}

/** An old worker fails what it does not know. */
function policyOf({ options }: OpenTask, members: readonly Member[]): UnknownJobs | undefined {
  const own = members.find(({ task }) => task.definition.unknown)?.task.definition.unknown;
  return own ?? (options.adopt ? "fail" : undefined);
}

function add(state: State, task: OpenTask): Member {
  const { host, byJob, members } = state;
  const { job } = task.options;
  const known = byJob.get(job);
  if (known?.task === task) return known;
  const tally = newTally();
  const filter = filterOf(task, state.report);
  const member: Member = { task, tally, filter, run: createRunner(task, { ...host, filter, tally }) };
  byJob.set(job, member);
  members.push(member);
  state.sole = job === undefined && byJob.size === 1 ? member : undefined;
  return member;
}

function filterOf(task: OpenQueue, report: State["report"]): Filter | undefined {
  const { options, store } = task;
  return options.filter?.when === "done" && store ? createFilter(task, options.filter, store, report) : undefined;
}

/** Until another is defined on its queue. */
function soleOf({ sole, definition }: State): Member | undefined {
  return sole && isAlone(definition) ? sole : undefined;
}

function memberFor({ byJob }: State, delivery: Delivery): Member | undefined {
  return byJob.get(jobOf(delivery)) ?? byJob.get(anyJob);
}

/** One that was defined after consuming had begun. */
async function late(state: State, delivery: Delivery): Promise<Member | undefined> {
  const found = definitionOn({ ...state.definition.params, job: jobOf(delivery) as string });
  return found?.fn && add(state, await openTask(found));
}

function sumOf(unknown: Tally, members: readonly Member[]): Tally {
  const sum = { ...unknown };
  const of = (field: (typeof tallyFields)[number]) =>
    members.reduce((all, { tally }) => all + tally[field], unknown[field]);
  for (const field of tallyFields) Object.defineProperty(sum, field, { get: () => of(field), enumerable: true });
  return sum;
}
